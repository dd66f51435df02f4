//! The clients of a fan-out: threads that read watches, lean enough to leave the machine to the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, bail};
use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, future::try_join_all, stream::BoxStream};
use gantry_client::{ClientError, RawRequest};
use tokio::{
    runtime,
    sync::{Notify, mpsc},
};

use crate::api::{now_us, server::Target};

/// Each has connections and a runtime of its own: to wake another thread for each piece would cost more than to read it.
const THREADS: usize = 2;
/// Watches of one connection: HTTP/2 servers commonly allow 100 streams.
const STREAMS: usize = 100;
/// Connections in all, at least.
const CONNECTIONS_MIN: usize = 4;
/// What a change of an object that stood before the watch opened arrives as.
const MODIFIED: &[u8] = br#"{"type":"MODIFIED""#;
const SENT_AT: &[u8] = br#""at":""#;

/// When a write was sent, and when its event was read or its answer had, in microseconds of the wall clock.
pub type Moments = Vec<(u64, u64)>;

/// What is made of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Its type is read and it is counted.
    Count,
    /// The time that its writer put into the object is looked up.
    Time,
}

/// Counts deliveries, and rings when all have come.
pub struct Expected {
    left: AtomicUsize,
    done: Notify,
}

impl Expected {
    pub fn new(deliveries: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(deliveries), done: Notify::new() })
    }

    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Resolves when all have come.
    pub async fn all(&self) {
        self.done.notified().await;
    }

    fn came(&self, deliveries: usize) {
        if deliveries > 0 && self.left.fetch_sub(deliveries, Ordering::Relaxed) == deliveries {
            self.done.notify_one();
        }
    }
}

/// What each watch is to see.
#[derive(Clone)]
pub struct Plan {
    pub path: String,
    pub watches: usize,
    /// Deliveries to each watch.
    pub each: usize,
    pub look: Look,
    pub expected: Arc<Expected>,
}

pub struct Readers(Vec<JoinHandle<anyhow::Result<Moments>>>);

impl Readers {
    /// Returns once all watches are open.
    pub async fn open(target: &Target, plan: &Plan) -> anyhow::Result<Self> {
        let (opened, mut all_opened) = mpsc::channel(THREADS);
        let threads = (0..THREADS).map(|nth| {
            let share = plan.watches / THREADS + usize::from(nth < plan.watches % THREADS);
            let (target, plan, opened) = (target.clone(), Plan { watches: share, ..plan.clone() }, opened.clone());
            thread::spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(read_all(&target, &plan, opened))
            })
        });
        let readers = Self(threads.collect());
        drop(opened);
        for _ in 0..THREADS {
            if all_opened.recv().await.is_none() {
                // The other threads wait for events that nobody will write.
                Self(readers.0.into_iter().filter(JoinHandle::is_finished).collect()).ended()?;
                bail!("a thread opened no watches");
            }
        }
        Ok(readers)
    }

    /// What all threads have seen. Waits for them.
    pub fn ended(self) -> anyhow::Result<Moments> {
        let mut seen = Moments::new();
        for thread in self.0 {
            seen.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(seen)
    }
}

async fn read_all(target: &Target, plan: &Plan, opened: mpsc::Sender<()>) -> anyhow::Result<Moments> {
    let connections = plan.watches.div_ceil(STREAMS).max(CONNECTIONS_MIN / THREADS);
    let clients = target.clients(connections).await?;
    let mut readers = Vec::with_capacity(plan.watches);
    for watch in 0..plan.watches {
        let events = clients[watch % connections].stream(RawRequest::get(plan.path.clone())).await?;
        readers.push(tokio::spawn(read(events.boxed(), plan.clone())));
    }
    opened.send(()).await.context("nobody waits for the watches")?;
    drop(opened);
    let mut seen = Moments::new();
    for moments in try_join_all(readers).await? {
        seen.extend(moments?);
    }
    Ok(seen)
}

type Chunks = BoxStream<'static, Result<Bytes, ClientError>>;

async fn read(mut chunks: Chunks, plan: Plan) -> anyhow::Result<Moments> {
    let (mut heads, mut lines) = (Heads::default(), Lines::default());
    let mut left = plan.each;
    while left > 0 {
        let Some(chunk) = chunks.next().await else { bail!("a watch ended early") };
        let came = match plan.look {
            Look::Count => heads.modified_in(&chunk?),
            Look::Time => lines.timed_in(&chunk?),
        };
        left = left.checked_sub(came).context("a watch saw more than was written")?;
        plan.expected.came(came);
    }
    Ok(lines.seen)
}

/// Counts events by how their lines begin, without keeping the lines.
#[derive(Default)]
struct Heads {
    /// How the line that is being read began, as far as it matters.
    head: Vec<u8>,
}

impl Heads {
    fn modified_in(&mut self, chunk: &[u8]) -> usize {
        let (mut count, mut from) = (0, 0);
        for end in memchr::memchr_iter(b'\n', chunk) {
            self.begin(&chunk[from..end]);
            count += usize::from(self.head == MODIFIED);
            self.head.clear();
            from = end + 1;
        }
        self.begin(&chunk[from..]);
        count
    }

    fn begin(&mut self, line: &[u8]) {
        let missing = MODIFIED.len() - self.head.len();
        self.head.extend_from_slice(&line[..missing.min(line.len())]);
    }
}

/// Reads the time out of each event.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    seen: Moments,
}

impl Lines {
    fn timed_in(&mut self, chunk: &[u8]) -> usize {
        let before = self.seen.len();
        self.buffer.extend_from_slice(chunk);
        while let Some(end) = memchr::memchr(b'\n', &self.buffer) {
            if let Some(sent) = sent_at(&self.buffer[..end]) {
                self.seen.push((sent, now_us()));
            }
            self.buffer.advance(end + 1);
        }
        self.seen.len() - before
    }
}

/// When the write was sent that made this change, by the clock that the writer put into the object.
fn sent_at(line: &[u8]) -> Option<u64> {
    let at = line.strip_prefix(MODIFIED).and_then(|rest| memchr::memmem::find(rest, SENT_AT).map(|at| &rest[at..]))?;
    let digits = at[SENT_AT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"{\"type\":\"MODIFIED\",\"object\":{\"at\":\"12\"}}\n{\"type\":\"ADDED\",\"object\":{}}\n";

    #[test]
    fn changes_are_counted_wherever_the_stream_is_cut() {
        for cut in 0..TWO.len() {
            let mut heads = Heads::default();
            assert_eq!(heads.modified_in(&TWO[..cut]) + heads.modified_in(&TWO[cut..]), 1, "cut at {cut}");
        }
    }

    #[test]
    fn the_writers_time_is_found_wherever_the_stream_is_cut() {
        for cut in 0..TWO.len() {
            let mut lines = Lines::default();
            assert_eq!(lines.timed_in(&TWO[..cut]) + lines.timed_in(&TWO[cut..]), 1, "cut at {cut}");
            assert_eq!(lines.seen[0].0, 12);
        }
    }
}
