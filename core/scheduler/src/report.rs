//! What users see of a decision: events and the pod's condition.

use std::sync::Arc;

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, time::format_time};
use gantry_runtime::{EventRecord, EventRecorder, ObjectSink, Patch, WriteTarget};
use serde_json::json;
use tracing::debug;

use crate::facts::PodFacts;

pub(crate) fn pods() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "pods")
}

#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) sink: Arc<dyn ObjectSink>,
    pub(crate) events: EventRecorder,
}

impl Reporter {
    pub(crate) fn scheduled(&self, pod: &PodFacts, node: &str) {
        let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
        self.tell(pod, "Normal", "Scheduled", message);
    }

    /// `reason`: `Unschedulable` (no node will do) or `SchedulerError` (nothing was found out). Does not wait for the write.
    pub(crate) fn failed(&self, pod: &Arc<PodFacts>, reason: &'static str, message: String) {
        self.tell(pod, "Warning", "FailedScheduling", message.clone());
        let stands = |c: &crate::facts::Condition| c.status == "False" && c.reason == reason && c.message == message;
        if pod.condition.as_ref().is_some_and(stands) {
            return;
        }
        let (sink, pod) = (self.sink.clone(), pod.clone());
        tokio::spawn(async move {
            let target = WriteTarget::new(&pods(), &pod.namespace, &pod.name).subresource("status");
            let patch = Bytes::from(condition_patch(&pod, reason, &message).to_string());
            if let Err(error) = sink.patch(&target, Patch::Strategic(patch)).await {
                debug!(pod = pod.name, %error, "the pod's condition was not written");
            }
        });
    }

    fn tell(&self, pod: &PodFacts, event_type: &str, reason: &str, message: String) {
        let (event_type, reason) = (event_type.to_owned(), reason.to_owned());
        self.events.record(EventRecord { regarding: pod.reference(), event_type, reason, message });
    }
}

fn condition_patch(pod: &PodFacts, reason: &str, message: &str) -> serde_json::Value {
    let since = pod.condition.as_ref().filter(|c| c.status == "False").and_then(|c| c.last_transition_time.clone());
    json!({
        "metadata": {"uid": pod.uid},
        "status": {"conditions": [{
            "type": "PodScheduled",
            "status": "False",
            "observedGeneration": pod.generation,
            "reason": reason,
            "message": message,
            "lastProbeTime": null,
            "lastTransitionTime": since.unwrap_or_else(|| format_time(jiff::Timestamp::now())),
        }]},
    })
}
