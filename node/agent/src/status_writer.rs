//! Sends a pod's status to the API: the newest wins, one request at a time, tried again until it is there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Reason};
use gantry_runtime::{Backoff, ObjectSink, Patch, SinkError, WriteTarget};
use k8s_openapi::api::core::v1::PodStatus;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

/// Conditions of ours that are there only while they hold.
const COMES_AND_GOES: [&str; 2] = ["PodResizePending", "PodResizeInProgress"];

/// A status and its place in the order of this pod's statuses.
#[derive(Clone, Default)]
struct Versioned {
    version: u64,
    status: Option<PodStatus>,
    /// What comes before this instant takes its place unsent.
    not_before: Option<Instant>,
}

/// The way of one pod's status to the API. Dropping it ends the task once everything was sent.
pub struct StatusWriter {
    wanted: watch::Sender<Versioned>,
    sent: watch::Receiver<u64>,
}

impl StatusWriter {
    /// `known`: what the API has already.
    pub fn start(sink: Arc<dyn ObjectSink>, namespace: &str, name: &str, uid: &str, known: PodStatus) -> Self {
        let (wanted, wishes) = watch::channel(Versioned { version: 0, status: Some(known), not_before: None });
        let (sent_sender, sent) = watch::channel(0);
        let pods = GroupVersionResource::new("", "v1", "pods");
        let target = WriteTarget::new(&pods, namespace, name).subresource("status");
        tokio::spawn(run(sink, target, uid.to_owned(), wishes, sent_sender));
        Self { wanted, sent }
    }

    /// Makes `status` the one to send, unless nothing changed.
    pub fn send(&self, status: PodStatus) {
        self.put(status, None);
    }

    /// As [`Self::send`], but a status that follows within `delay` is sent instead: spares the API a state that does not
    /// last.
    pub fn send_unless_superseded(&self, status: PodStatus, delay: Duration) {
        self.put(status, Some(Instant::now() + delay));
    }

    fn put(&self, status: PodStatus, not_before: Option<Instant>) {
        self.wanted.send_if_modified(|current| {
            let changed = current.status.as_ref() != Some(&status);
            if changed {
                *current = Versioned { version: current.version + 1, status: Some(status), not_before };
            }
            changed
        });
    }

    /// Returns once the last status is in the API, or the pod is gone from it.
    pub async fn flushed(&self) {
        let version = self.wanted.borrow().version;
        let mut sent = self.sent.clone();
        // The task ends early only when the pod is gone: then nothing is left to send.
        let _ = sent.wait_for(|sent| *sent >= version).await;
    }
}

async fn run(
    sink: Arc<dyn ObjectSink>,
    target: WriteTarget,
    uid: String,
    mut wishes: watch::Receiver<Versioned>,
    sent: watch::Sender<u64>,
) {
    let mut backoff = Backoff::default();
    let mut before = wishes.borrow().status.clone().unwrap_or_default();
    while wishes.changed().await.is_ok() {
        loop {
            let Versioned { version, status, not_before } = wishes.borrow_and_update().clone();
            let Some(status) = status else { break };
            if let Some(at) = not_before.filter(|at| *at > Instant::now()) {
                tokio::select! {
                    _ = wishes.changed() => continue,
                    () = tokio::time::sleep_until(at) => {}
                }
            }
            match sink.patch(&target, Patch::Strategic(patch_body(&uid, &status, &before))).await {
                Ok(_) => {
                    backoff.reset();
                    before = status;
                    sent.send_replace(version);
                    break;
                }
                Err(error) if is_gone(&error) => return,
                Err(error) if is_invalid(&error) => {
                    // Also the answer where another pod has the name now. The same again would be refused again.
                    tracing::warn!(pod = target.name, namespace = target.namespace, %error, "a status is not taken");
                    sent.send_replace(version);
                    break;
                }
                Err(error) => {
                    tracing::warn!(pod = target.name, namespace = target.namespace, %error, "the status is sent again");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}

/// The pod was deleted, or another one has its name now.
fn is_gone(error: &SinkError) -> bool {
    match error {
        SinkError::Refused(status) => status.is(Reason::NotFound) || status.is(Reason::Conflict),
        SinkError::Unavailable(_) => false,
    }
}

fn is_invalid(error: &SinkError) -> bool {
    matches!(error, SinkError::Refused(status) if status.is(Reason::Invalid) || status.is(Reason::BadRequest))
}

/// Only the fields that the node owns; lists that merge by key are replaced where a member could otherwise stay behind.
fn patch_body(uid: &str, status: &PodStatus, before: &PodStatus) -> Bytes {
    let mut fields = serde_json::to_value(status).unwrap_or_default();
    for condition in fields["conditions"].as_array_mut().into_iter().flatten() {
        for optional in ["reason", "message"] {
            if condition.get(optional).is_none() {
                condition[optional] = Value::Null;
            }
        }
    }
    if let Some(conditions) = fields["conditions"].as_array_mut() {
        let gone =
            before.conditions.iter().flatten().map(|c| c.type_.as_str()).filter(|kind| COMES_AND_GOES.contains(kind));
        let gone: Vec<&str> = gone.filter(|kind| conditions.iter().all(|c| c["type"] != **kind)).collect();
        conditions.extend(gone.into_iter().map(|kind| json!({"$patch": "delete", "type": kind})));
    }
    for list in ["podIPs", "hostIPs"] {
        if let Some(entries) = fields[list].as_array_mut() {
            entries.insert(0, json!({"$patch": "replace"}));
        } else if let Some(object) = fields.as_object_mut() {
            object.remove(list);
        }
    }
    Bytes::from(json!({"metadata": {"uid": uid}, "status": fields}).to_string())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PodCondition, PodIP};

    use super::*;

    #[test]
    fn a_resize_that_is_done_takes_its_condition_away() {
        let condition = |kind: &str| PodCondition { type_: kind.into(), status: "True".into(), ..Default::default() };
        let status = |kinds: &[&str]| PodStatus {
            conditions: Some(kinds.iter().map(|kind| condition(kind)).collect()),
            ..Default::default()
        };
        let before = status(&["Ready", "PodResizePending", "Foreign"]);
        let body: Value = serde_json::from_slice(&patch_body("u", &status(&["Ready"]), &before)).expect("JSON");
        let deletions: Vec<&Value> = body["status"]["conditions"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|c| c["$patch"] == "delete")
            .collect();
        assert_eq!(deletions, [&json!({"$patch": "delete", "type": "PodResizePending"})]);
    }

    #[test]
    fn a_condition_that_turned_good_loses_its_old_reason() {
        let ready = PodCondition { type_: "Ready".into(), status: "True".into(), ..Default::default() };
        let status = PodStatus {
            conditions: Some(vec![ready]),
            pod_ips: Some(vec![PodIP { ip: "10.0.0.1".into() }]),
            ..Default::default()
        };
        let body: Value = serde_json::from_slice(&patch_body("u", &status, &PodStatus::default())).expect("JSON");
        let condition = &body["status"]["conditions"][0];
        assert!(condition["reason"].is_null() && condition.get("reason").is_some());
        assert_eq!(body["status"]["podIPs"], json!([{"$patch": "replace"}, {"ip": "10.0.0.1"}]));
        assert!(body["status"].get("hostIPs").is_none());
        assert_eq!(body["metadata"]["uid"], "u");
    }
}
