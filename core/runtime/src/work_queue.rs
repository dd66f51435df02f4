//! Keys that need attention: each waits once however often it is added, is worked on by one worker at a time, and comes back
//! later and later while it fails.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    hash::Hash,
    time::Duration,
};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::queue_metrics::{QueueMetrics, WorkQueueMetrics};

const FIRST_RETRY: Duration = Duration::from_millis(5);
const MAX_RETRY: Duration = Duration::from_secs(60);

struct Delayed<K> {
    due: Instant,
    key: K,
}

impl<K> PartialEq for Delayed<K> {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl<K> Eq for Delayed<K> {}

impl<K> PartialOrd for Delayed<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Delayed<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

struct State<K> {
    ready: VecDeque<K>,
    /// Everything that waits, in `ready` or behind a worker, with the time since when.
    dirty: HashMap<K, Instant>,
    /// What workers have, with the time since when.
    working: HashMap<K, Instant>,
    delayed: BinaryHeap<Reverse<Delayed<K>>>,
    /// When each delayed key is due. What `delayed` has of it for a later time was overtaken.
    due: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
    closed: bool,
    metrics: Option<QueueMetrics>,
}

/// A queue of keys for any number of workers. Each worker loops: [`next`](Self::next), work, then [`done`](Self::done), with
/// [`retry`](Self::retry) before it on failure or [`forget`](Self::forget) on success.
pub struct WorkQueue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

impl<K: Clone + Eq + Hash> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash> WorkQueue<K> {
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A queue that counts what it does under `name`.
    pub fn measured(name: &str, metrics: &WorkQueueMetrics) -> Self {
        Self::with(Some(metrics.of(name)))
    }

    fn with(metrics: Option<QueueMetrics>) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashMap::new(),
            working: HashMap::new(),
            delayed: BinaryHeap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            closed: false,
            metrics,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The key needs attention now. While it is being worked on, it waits until that is done.
    pub fn add(&self, key: K) {
        self.state.lock().add(key);
        self.changed.notify_one();
    }

    /// The key needs attention after `delay`. It waits once: of several delays the one that ends first counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.state.lock().delay(key, Instant::now() + delay);
        self.changed.notify_one();
    }

    /// The key failed: it comes back after 5 ms, 10 ms, ... up to a minute, until [`forget`](Self::forget).
    pub fn retry(&self, key: K) {
        let delay = {
            let mut state = self.state.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures += 1;
            let delay = FIRST_RETRY.saturating_mul(1_u32.checked_shl(*failures - 1).unwrap_or(u32::MAX));
            state.measure(|metrics| metrics.retries.inc());
            delay.min(MAX_RETRY)
        };
        self.add_after(key, delay);
    }

    /// How often the key failed since it was last forgotten.
    pub fn failures(&self, key: &K) -> u32 {
        self.state.lock().failures.get(key).copied().unwrap_or_default()
    }

    /// The key succeeded.
    pub fn forget(&self, key: &K) {
        self.state.lock().failures.remove(key);
    }

    /// The worker has finished with the key, well or not. Every `next` needs one.
    pub fn done(&self, key: &K) {
        let mut state = self.state.lock();
        if let Some(since) = state.working.remove(key) {
            state.measure(|metrics| metrics.worked.observe(since.elapsed().as_secs_f64()));
        }
        if state.dirty.contains_key(key) {
            state.put(key.clone());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Waits for a key to work on. `None` once the queue is closed.
    pub async fn next(&self) -> Option<K> {
        loop {
            let due = {
                let mut state = self.state.lock();
                if state.closed {
                    // Pass the word on to the next waiting worker.
                    self.changed.notify_one();
                    return None;
                }
                state.promote(Instant::now());
                if let Some(key) = state.take() {
                    if !state.ready.is_empty() || !state.delayed.is_empty() {
                        self.changed.notify_one();
                    }
                    return Some(key);
                }
                state.delayed.peek().map(|Reverse(first)| first.due)
            };
            match due {
                None => self.changed.notified().await,
                Some(due) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Ends all workers' `next`.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// How many keys are ready for a worker.
    pub fn ready_len(&self) -> usize {
        self.state.lock().ready.len()
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn add(&mut self, key: K) {
        if self.dirty.contains_key(&key) {
            return;
        }
        self.dirty.insert(key.clone(), Instant::now());
        self.measure(|metrics| metrics.adds.inc());
        if !self.working.contains_key(&key) {
            self.put(key);
        }
    }

    fn put(&mut self, key: K) {
        self.ready.push_back(key);
        self.measure(|metrics| metrics.depth.inc());
    }

    fn measure(&self, what: impl FnOnce(&QueueMetrics)) {
        if let Some(metrics) = &self.metrics {
            what(metrics);
        }
    }

    fn delay(&mut self, key: K, due: Instant) {
        if self.due.get(&key).is_none_or(|known| due < *known) {
            self.due.insert(key.clone(), due);
            self.delayed.push(Reverse(Delayed { due, key }));
        }
    }

    fn promote(&mut self, now: Instant) {
        while self.delayed.peek().is_some_and(|Reverse(first)| first.due <= now)
            && let Some(Reverse(Delayed { due, key })) = self.delayed.pop()
        {
            if self.due.get(&key) == Some(&due) {
                self.due.remove(&key);
                self.add(key);
            }
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        let (since, now) = (self.dirty.remove(&key), Instant::now());
        self.measure(|metrics| {
            metrics.depth.dec();
            since.into_iter().for_each(|since| metrics.waited.observe((now - since).as_secs_f64()));
        });
        self.working.insert(key.clone(), now);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_is_never_worked_on_twice_at_a_time() {
        let queue = WorkQueue::new();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
        queue.add("a");
        assert_eq!(queue.ready_len(), 0, "a worker still has it");
        queue.done(&"a");
        assert_eq!(queue.next().await, Some("a"));
        queue.done(&"a");
        queue.close();
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_come_back_later_and_later() {
        let queue = WorkQueue::new();
        let mut delays = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            queue.retry("a");
            assert_eq!(queue.next().await, Some("a"));
            queue.done(&"a");
            delays.push(start.elapsed().as_millis());
        }
        assert!(delays[0] >= 5 && delays[1] >= 10 && delays[2] >= 20, "{delays:?}");
        assert_eq!(queue.failures(&"a"), 3);
        queue.forget(&"a");
        assert_eq!(queue.failures(&"a"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_key_overtakes_a_later_one() {
        let queue = std::sync::Arc::new(WorkQueue::new());
        queue.add_after("late", Duration::from_secs(10));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { (queue.next().await, queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.add_after("early", Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), (Some("early"), Some("late")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_delayed_again_and_again_waits_once_for_the_first_time() {
        let queue = WorkQueue::new();
        let start = Instant::now();
        for seconds in [30, 10, 20] {
            queue.add_after("a", Duration::from_secs(seconds));
        }
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(start.elapsed().as_secs(), 10);
        queue.done(&"a");
        let again = tokio::time::timeout(Duration::from_secs(60), queue.next()).await;
        assert!(again.is_err(), "the later times were overtaken");
    }
}
