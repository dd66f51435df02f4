//! Patches that go together: what comes in while a batch is under way makes the next one.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::{DeleteOptions, ObjectSink, Observed, Patch, SinkError, WriteTarget};

/// As many patches as one batch may hold. Statuses are a few KiB each.
const BATCH_MAX: usize = 64;
/// As much as patches of one batch may weigh together, so that no message is refused for its size; a larger one goes alone.
const BATCH_MAX_BYTES: usize = 1 << 20;

type Outcome = Result<Observed, SinkError>;

struct Waiting {
    target: WriteTarget,
    patch: Patch,
    answer: oneshot::Sender<Outcome>,
}

/// An [`ObjectSink`] whose patches are sent by [`ObjectSink::patch_all`]: the statuses of a node's pods and its lease share a
/// message when many change at once, and none waits for a timer when it is alone.
pub struct BatchingSink {
    inner: Arc<dyn ObjectSink>,
    queue: mpsc::UnboundedSender<Waiting>,
}

impl BatchingSink {
    /// Must be called within a Tokio runtime. The task that sends ends with the sink.
    pub fn start(inner: Arc<dyn ObjectSink>) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(send(inner.clone(), waiting));
        Self { inner, queue }
    }
}

async fn send(inner: Arc<dyn ObjectSink>, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        while !waiting.is_empty() {
            let count = fitting(&waiting);
            send_batch(&*inner, waiting.drain(..count)).await;
        }
    }
}

/// How many of those in front go together; at least one.
fn fitting(waiting: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|one| {
        bytes += one.patch.body().len();
        bytes <= BATCH_MAX_BYTES
    });
    fits.count().max(1)
}

async fn send_batch(inner: &dyn ObjectSink, batch: impl Iterator<Item = Waiting>) {
    let (patches, answers): (Vec<_>, Vec<_>) = batch.map(|one| ((one.target, one.patch), one.answer)).unzip();
    let outcomes = inner.patch_all(patches).await;
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // Who asked may have given up: the write stands all the same.
        let _ = answer.send(outcome);
    }
}

fn not_sent() -> SinkError {
    SinkError::Unavailable("the batch of this patch was not answered".into())
}

#[async_trait]
impl ObjectSink for BatchingSink {
    async fn create(&self, target: &WriteTarget, body: Bytes) -> Outcome {
        self.inner.create(target, body).await
    }

    async fn update(&self, target: &WriteTarget, body: Bytes) -> Outcome {
        self.inner.update(target, body).await
    }

    async fn patch(&self, target: &WriteTarget, patch: Patch) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting { target: target.clone(), patch, answer };
        self.queue.send(waiting).map_err(|_| not_sent())?;
        outcome.await.unwrap_or_else(|_| Err(not_sent()))
    }

    async fn delete(&self, target: &WriteTarget, options: &DeleteOptions) -> Result<(), SinkError> {
        self.inner.delete(target, options).await
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use gantry_meta::GroupVersionResource;
    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    use super::*;

    /// Refuses everything, one batch for each permit, and remembers what came together.
    struct Slow {
        batches: Mutex<Vec<Vec<String>>>,
        permits: Semaphore,
    }

    #[async_trait]
    impl ObjectSink for Slow {
        async fn create(&self, _: &WriteTarget, _: Bytes) -> Outcome {
            Err(not_sent())
        }

        async fn update(&self, _: &WriteTarget, _: Bytes) -> Outcome {
            Err(not_sent())
        }

        async fn patch(&self, _: &WriteTarget, _: Patch) -> Outcome {
            Err(not_sent())
        }

        async fn patch_all(&self, patches: Vec<(WriteTarget, Patch)>) -> Vec<Outcome> {
            let names: Vec<String> = patches.into_iter().map(|(target, _)| target.name).collect();
            self.batches.lock().push(names.clone());
            self.permits.acquire().await.expect("never closed").forget();
            names.into_iter().map(|name| Err(SinkError::Unavailable(name))).collect()
        }

        async fn delete(&self, _: &WriteTarget, _: &DeleteOptions) -> Result<(), SinkError> {
            Err(not_sent())
        }
    }

    #[tokio::test]
    async fn what_comes_while_a_batch_is_under_way_goes_together_and_each_gets_its_own_answer() {
        let slow = Arc::new(Slow { batches: Mutex::default(), permits: Semaphore::new(0) });
        let sink = BatchingSink::start(slow.clone());
        let pods = GroupVersionResource::new("", "v1", "pods");
        let patch = async |name: &str| {
            let target = WriteTarget::new(&pods, "ns", name);
            sink.patch(&target, Patch::Merge(Bytes::new())).await.expect_err("refused").to_string()
        };
        let release = async {
            while slow.batches.lock().is_empty() {
                tokio::task::yield_now().await;
            }
            slow.permits.add_permits(2);
        };
        let all = join_all(["a", "b", "c", "d"].map(patch));
        let (answers, ()) = futures::join!(all, release);
        assert!(answers.iter().zip(["a", "b", "c", "d"]).all(|(answer, name)| answer.ends_with(name)), "{answers:?}");
        let batches = slow.batches.lock().clone();
        assert!(batches.len() <= 2 && batches.concat() == ["a", "b", "c", "d"], "{batches:?}");
    }

    #[test]
    fn what_weighs_too_much_together_goes_one_by_one() {
        let waiting = |bytes: usize| {
            let target = WriteTarget::new(&GroupVersionResource::new("", "v1", "pods"), "ns", "a");
            Waiting { target, patch: Patch::Merge(vec![0; bytes].into()), answer: oneshot::channel().0 }
        };
        let of = |sizes: &[usize]| fitting(&sizes.iter().map(|bytes| waiting(*bytes)).collect::<Vec<_>>());
        assert_eq!(of(&[1, 1, 1]), 3);
        assert_eq!(of(&[BATCH_MAX_BYTES, 1]), 1);
        assert_eq!(of(&[BATCH_MAX_BYTES + 1, 1]), 1, "a larger one goes alone");
        assert_eq!(of(&[BATCH_MAX_BYTES / 2, BATCH_MAX_BYTES / 2, 1]), 2);
    }
}
