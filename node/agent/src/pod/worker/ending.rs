//! The end of a pod: containers, sandbox, the last status, the object.

use tokio::time::Instant;

use super::PodWorker;

impl PodWorker {
    /// Ends everything, reports the end, and deletes the object.
    pub(super) async fn end(mut self) {
        self.stop_probes();
        if self.is_gone {
            self.node.allocations.remove(self.pod.uid());
        }
        self.must_reread = true;
        self.read_changes().await;
        if !self.is_gone {
            self.publish();
        }
        self.stop_containers().await;
        self.node.allocations.remove(self.pod.uid());
        self.must_reread = true;
        self.read_changes().await;
        let applier = self.applier();
        if self.is_gone {
            applier.stop_sandboxes(&self.observed).await;
        } else {
            self.publish();
            tokio::join!(applier.stop_sandboxes(&self.observed), self.status.flushed());
            applier.delete_object().await;
        }
        applier.remove_remains(&self.observed).await;
    }

    /// Ends all containers within the grace; a second deletion may shorten it.
    async fn stop_containers(&mut self) {
        let started = Instant::now();
        loop {
            let grace = self.pod.grace_seconds();
            let left = grace - i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
            let (applier, observed) = (self.applier(), self.observed.clone());
            let work = async move { applier.stop_all(&observed, left.max(0)).await };
            tokio::pin!(work);
            let was_gone = self.is_gone;
            loop {
                tokio::select! {
                    biased;
                    () = &mut work => return,
                    Some(message) = self.mailbox.recv() => self.take(message),
                }
                if self.pod.grace_seconds() < grace || self.is_gone != was_gone {
                    break;
                }
            }
        }
    }
}
