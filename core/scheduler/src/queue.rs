//! Pods that wait for a node: ready to be tried, waiting for their back-off to end, or waiting for the cluster to change.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::facts::PodFacts;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// A refused pod is tried again after this time even if nothing seems to have changed.
const REFUSED_MAX: Duration = Duration::from_secs(300);

/// Where a pod waits. Each variant says how it is left.
#[derive(Clone, PartialEq, Debug)]
enum Place {
    /// - its turn comes → it is out of the queue until it is put back
    Ready,
    /// - the time comes → `Ready`
    /// - nothing is ready, and it is no error that it recovers from → its turn comes early
    BackingOff { until: Instant, after_error: bool },
    /// - an event helps → `BackingOff`, or `Ready` if its back-off is over
    /// - five minutes pass → likewise
    Refused { by: HashSet<String>, since: Instant },
    /// - its gates are lifted → `Ready`
    Gated,
    /// A cycle or a binding works on it.
    /// - it fails → `BackingOff` or `Refused`
    Out,
}

struct Waiting {
    pod: Arc<PodFacts>,
    place: Place,
    attempts: u32,
    /// The order in which pods of one priority became ready.
    order: u64,
    tried_at: Option<Instant>,
    /// When it could first be placed.
    since: Option<Instant>,
}

/// How many pods wait where.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    pub(crate) active: i64,
    pub(crate) backoff: i64,
    pub(crate) unschedulable: i64,
    pub(crate) gated: i64,
}

/// Higher priority first, then who has waited longer.
type Turn = (Reverse<i32>, u64, String);

/// Keyed by uid. Time comes in as an argument.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: HashMap<String, Waiting>,
    ready: BTreeSet<Turn>,
    last: u64,
}

impl Waiting {
    fn turn(&self) -> Turn {
        (Reverse(self.pod.priority), self.order, self.pod.uid.clone())
    }

    fn backoff(&self) -> Duration {
        let doubled = FIRST_BACKOFF.saturating_mul(1 << self.attempts.saturating_sub(1).min(16));
        doubled.min(MAX_BACKOFF)
    }

    fn backoff_ends(&self) -> Option<Instant> {
        self.tried_at.map(|at| at + self.backoff())
    }
}

impl Queue {
    /// A pod that has no node, new or changed.
    pub(crate) fn put(&mut self, pod: Arc<PodFacts>, now: Instant) {
        let gated = pod.gated;
        let Some(known) = self.waiting.get_mut(&pod.uid) else {
            let uid = pod.uid.clone();
            let place = if gated { Place::Gated } else { Place::Ready };
            let fresh = Waiting {
                pod,
                place: Place::Out,
                attempts: 0,
                order: 0,
                tried_at: None,
                since: (!gated).then_some(now),
            };
            self.waiting.insert(uid.clone(), fresh);
            self.move_to(&uid, place);
            return;
        };
        let differs = pod.differs(&known.pod);
        let turn = known.turn();
        known.pod = pod;
        // Its priority may have changed.
        if self.ready.remove(&turn) {
            self.ready.insert(known.turn());
        }
        let uid = known.pod.uid.clone();
        match (&known.place, gated) {
            (Place::Gated, false) => {
                known.since = Some(now);
                self.move_to(&uid, Place::Ready);
            }
            (Place::Refused { .. }, false) if differs => self.wake(&uid, now),
            _ => {}
        }
    }

    /// The pod has a node, or is gone.
    pub(crate) fn remove(&mut self, uid: &str) {
        if let Some(gone) = self.waiting.remove(uid) {
            self.ready.remove(&gone.turn());
        }
    }

    pub(crate) fn uids(&self) -> impl Iterator<Item = &String> {
        self.waiting.keys()
    }

    pub(crate) fn get(&self, uid: &str) -> Option<&Arc<PodFacts>> {
        self.waiting.get(uid).map(|waiting| &waiting.pod)
    }

    /// Whose turn it is. The pod stays known, and must be put back or removed.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Arc<PodFacts>> {
        self.promote(now);
        let uid = match self.ready.pop_first() {
            Some((_, _, uid)) => uid,
            // Nothing to do: a back-off that only spaces tries need not be waited for.
            None => self.early()?,
        };
        let waiting = self.waiting.get_mut(&uid)?;
        waiting.place = Place::Out;
        waiting.attempts += 1;
        waiting.tried_at = Some(now);
        Some(waiting.pod.clone())
    }

    fn early(&self) -> Option<String> {
        let spaced = self.waiting.iter().filter_map(|(uid, waiting)| match waiting.place {
            Place::BackingOff { until, after_error: false } => Some((until, uid)),
            _ => None,
        });
        spaced.min().map(|(_, uid)| uid.clone())
    }

    /// No node will do until something changes.
    pub(crate) fn refuse(&mut self, uid: &str, by: HashSet<String>, now: Instant) {
        self.move_to(uid, Place::Refused { by, since: now });
    }

    /// The try failed for a reason that has nothing to do with the pod.
    pub(crate) fn retry_later(&mut self, uid: &str, now: Instant) {
        let Some(waiting) = self.waiting.get(uid) else { return };
        let until = waiting.backoff_ends().unwrap_or(now);
        self.move_to(uid, Place::BackingOff { until, after_error: true });
    }

    /// Refused pods and the plugins that refused them.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&Arc<PodFacts>, &HashSet<String>)> {
        self.waiting.values().filter_map(|waiting| match &waiting.place {
            Place::Refused { by, .. } => Some((&waiting.pod, by)),
            _ => None,
        })
    }

    /// Something has changed that may help this pod.
    pub(crate) fn wake(&mut self, uid: &str, now: Instant) {
        let Some(waiting) = self.waiting.get(uid).filter(|w| matches!(w.place, Place::Refused { .. })) else { return };
        let place = match waiting.backoff_ends() {
            Some(until) if until > now => Place::BackingOff { until, after_error: false },
            _ => Place::Ready,
        };
        self.move_to(uid, place);
    }

    /// Attempts so far, and since when the pod could be placed.
    pub(crate) fn effort(&self, uid: &str) -> Option<(u32, Instant)> {
        self.waiting.get(uid).and_then(|waiting| Some((waiting.attempts, waiting.since?)))
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for waiting in self.waiting.values() {
            match waiting.place {
                Place::Ready => census.active += 1,
                Place::BackingOff { .. } => census.backoff += 1,
                Place::Refused { .. } => census.unschedulable += 1,
                Place::Gated => census.gated += 1,
                Place::Out => {}
            }
        }
        census
    }

    /// When a pod becomes ready by itself.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = |waiting: &Waiting| match &waiting.place {
            Place::BackingOff { until, .. } => Some(*until),
            Place::Refused { since, .. } => Some(*since + REFUSED_MAX),
            _ => None,
        };
        self.waiting.values().filter_map(due).min()
    }

    fn promote(&mut self, now: Instant) {
        let is_due = |waiting: &Waiting| match &waiting.place {
            Place::BackingOff { until, .. } => *until <= now,
            Place::Refused { since, .. } => *since + REFUSED_MAX <= now,
            _ => false,
        };
        let due: Vec<String> = self.waiting.iter().filter(|(_, w)| is_due(w)).map(|(uid, _)| uid.clone()).collect();
        due.iter().for_each(|uid| self.move_to(uid, Place::Ready));
    }

    fn move_to(&mut self, uid: &str, place: Place) {
        let Some(waiting) = self.waiting.get_mut(uid) else { return };
        if waiting.place == Place::Ready {
            self.ready.remove(&waiting.turn());
        }
        if place == Place::Ready {
            self.last += 1;
            waiting.order = self.last;
            self.ready.insert(waiting.turn());
        }
        waiting.place = place;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gantry_runtime::Observed;
    use serde_json::json;

    use super::*;

    fn pod(name: &str, priority: i32, generation: u64, gated: bool) -> Arc<PodFacts> {
        let gates = if gated { json!([{"name": "g"}]) } else { json!(null) };
        let object =
            json!({"metadata": {"generation": generation}, "spec": {"priority": priority, "schedulingGates": gates}});
        let observed = Observed {
            namespace: "ns".into(),
            name: name.into(),
            uid: name.into(),
            resource_version: "1".into(),
            json: Bytes::from(object.to_string()),
        };
        Arc::new(PodFacts::read(&observed).expect("a pod"))
    }

    fn popped(queue: &mut Queue, now: Instant) -> Option<String> {
        queue.pop(now).map(|pod| pod.uid.clone())
    }

    #[test]
    fn higher_priority_goes_first_and_then_who_came_first() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for (name, priority) in [("a", 0), ("b", 0), ("c", 10)] {
            queue.put(pod(name, priority, 1, false), now);
        }
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, now)).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn a_refused_pod_waits_until_it_is_woken() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.put(pod("a", 0, 1, false), now);
        queue.pop(now);
        queue.refuse("a", HashSet::new(), now);
        assert_eq!(popped(&mut queue, now + Duration::from_secs(20)), None);
        queue.wake("a", now);
        assert_eq!(popped(&mut queue, now), Some("a".into()), "an idle scheduler does not wait for the back-off");
        queue.refuse("a", HashSet::new(), now);
        assert_eq!(popped(&mut queue, now + REFUSED_MAX), Some("a".into()));
    }

    #[test]
    fn an_error_is_waited_for_longer_and_longer() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.put(pod("a", 0, 1, false), now);
        for seconds in [1, 2, 4, 8, 10, 10] {
            assert_eq!(popped(&mut queue, now), Some("a".into()), "after {seconds}");
            queue.retry_later("a", now);
            assert_eq!(popped(&mut queue, now + Duration::from_millis(seconds * 1000 - 1)), None);
            assert_eq!(queue.next_due(), Some(now + Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn a_status_change_does_not_wake_and_a_spec_change_does() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.put(pod("a", 0, 1, false), now);
        queue.pop(now);
        queue.refuse("a", HashSet::new(), now);
        queue.put(pod("a", 0, 1, false), now);
        assert_eq!(popped(&mut queue, now), None);
        queue.put(pod("a", 0, 2, false), now);
        assert_eq!(popped(&mut queue, now), Some("a".into()));
    }

    #[test]
    fn a_gated_pod_waits_for_its_gates_and_one_that_is_out_stays_out() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.put(pod("a", 0, 1, true), now);
        assert_eq!(popped(&mut queue, now), None);
        queue.put(pod("a", 0, 2, false), now);
        assert_eq!(popped(&mut queue, now), Some("a".into()));
        queue.put(pod("a", 0, 3, false), now);
        assert_eq!(popped(&mut queue, now), None, "its binding is under way");
        queue.remove("a");
        assert!(queue.get("a").is_none());
    }
}
