//! `activeDeadlineSeconds`: a pod that is active for longer fails.

use jiff::{SignedDuration, Timestamp};

use super::PodWorker;
use crate::events::Subject;

const REASON: &str = "DeadlineExceeded";
const MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

impl PodWorker {
    /// When the pod has been active for too long; counted from its `startTime`.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.pod.spec().active_deadline_seconds.filter(|_| !self.has_ended())?;
        let start = self.last_status.start_time.as_ref()?;
        start.0.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    pub(super) fn check_deadline(&mut self) {
        if self.deadline().is_some_and(|at| at <= Timestamp::now()) {
            self.node.events.normal(Subject::pod(&self.pod), REASON, MESSAGE);
            self.failure = Some((REASON, MESSAGE.into()));
        }
    }
}
