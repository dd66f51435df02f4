//! Which of the waiting writes go into the next batch.

use std::collections::{HashSet, VecDeque};

use gantry_storage::{CommitError, Committed, Key, Operation, Write};
use tokio::sync::oneshot;

/// A batch holds at most so many writes: beyond, the commit's share of each no longer falls.
pub(crate) const WRITES_MAX: usize = 512;
/// And at most so many bytes of values, unless a single write has more.
const BYTES_MAX: usize = 1 << 20;

/// A write and who waits for it.
pub(crate) struct Waiting {
    pub write: Write,
    pub done: oneshot::Sender<Result<Committed, CommitError>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        let (Operation::Put(value) | Operation::Delete(value)) = &self.write.operation;
        value.len()
    }

    /// Whether it shares no batch: what it claims, and what goes along with it, holds as a whole.
    fn is_alone(&self) -> bool {
        !self.write.claims.is_empty() || !self.write.with.is_empty()
    }

    pub fn answer(self, outcome: Result<Committed, CommitError>) {
        // Who no longer waits has dropped its receiver.
        self.done.send(outcome).ok();
    }
}

/// Takes the next batch out of the queue: one write per key, all under one fence, a write with claims or companions alone. What cannot
/// come along keeps its place, and so do later writes of its key.
pub(crate) fn select(queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let Some(first) = queue.pop_front() else { return Vec::new() };
    if first.is_alone() {
        return vec![first];
    }
    let mut bytes = first.bytes();
    let mut keys: HashSet<Key> = [first.write.key.clone()].into();
    let mut batch = vec![first];
    let mut left = VecDeque::new();
    while let Some(next) = queue.pop_front() {
        let fits = !next.is_alone() && next.write.fence == batch[0].write.fence;
        if keys.insert(next.write.key.clone()) && fits {
            bytes += next.bytes();
            batch.push(next);
        } else {
            left.push_back(next);
        }
        if batch.len() == WRITES_MAX || bytes >= BYTES_MAX {
            break;
        }
    }
    while let Some(kept) = left.pop_back() {
        queue.push_front(kept);
    }
    batch
}

#[cfg(test)]
mod tests {
    use gantry_storage::{ClaimChange, Expect, Fence, Shard};

    use super::*;

    fn waiting(name: &str) -> Waiting {
        let write = Write {
            shard: Shard::Durable,
            key: Key::new("", "configmaps", "default", name),
            expect: Expect::Absent,
            operation: Operation::Put("{}".into()),
            claims: Vec::new(),
            with: Vec::new(),
            fence: None,
        };
        Waiting { write, done: oneshot::channel().0 }
    }

    fn fenced(name: &str) -> Waiting {
        let mut waiting = waiting(name);
        waiting.write.fence = Some(Fence { lease: "leader".into(), token: 1 });
        waiting
    }

    fn claiming(name: &str) -> Waiting {
        let mut waiting = waiting(name);
        waiting.write.claims = vec![ClaimChange::Take { pool: "p".into(), value: "v".into() }];
        waiting
    }

    fn all_batches(queue: impl IntoIterator<Item = Waiting>) -> Vec<Vec<String>> {
        let mut queue: VecDeque<_> = queue.into_iter().collect();
        let mut batches = Vec::new();
        while !queue.is_empty() {
            batches.push(select(&mut queue).iter().map(|w| w.write.key.name().to_owned()).collect());
        }
        batches
    }

    #[test]
    fn writes_of_one_key_go_one_batch_after_the_other_in_order() {
        assert_eq!(all_batches(["a", "b", "a", "c", "a"].map(waiting)), [vec!["a", "b", "c"], vec!["a"], vec!["a"]]);
    }

    #[test]
    fn a_write_with_claims_goes_alone_and_is_not_overtaken_by_its_own_key() {
        let queue = [waiting("a"), claiming("b"), waiting("b"), waiting("c")];
        assert_eq!(all_batches(queue), [vec!["a", "c"], vec!["b"], vec!["b"]]);
    }

    #[test]
    fn a_batch_has_one_fence() {
        let queue = [fenced("a"), waiting("b"), fenced("c")];
        assert_eq!(all_batches(queue), [vec!["a", "c"], vec!["b"]]);
    }

    #[test]
    fn a_batch_ends_at_its_limits() {
        let names: Vec<_> = (0..WRITES_MAX + 1).map(|n| n.to_string()).collect();
        let sizes: Vec<_> = all_batches(names.iter().map(|n| waiting(n))).iter().map(Vec::len).collect();
        assert_eq!(sizes, [WRITES_MAX, 1]);
    }
}
