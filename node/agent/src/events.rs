//! Events about pods and the node: recorded without waiting, written by one task, repeated ones counted up.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, time::format_time};
use gantry_runtime::{ObjectSink, Patch, SinkError, WriteTarget};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::pod::desired::{DesiredPod, Role};

/// Events beyond this many unwritten ones are dropped: they tell, they do not decide.
const QUEUE: usize = 1024;
/// Repeated events are recognised among this many.
const REMEMBERED: usize = 2048;

/// What an event is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    kind: &'static str,
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
    /// `spec.containers{name}` for one container.
    field_path: String,
}

impl Subject {
    pub fn pod(pod: &DesiredPod) -> Self {
        Self {
            kind: "Pod",
            namespace: pod.namespace().into(),
            name: pod.name().into(),
            uid: pod.uid().into(),
            resource_version: pod.resource_version().into(),
            field_path: String::new(),
        }
    }

    pub fn container(pod: &DesiredPod, name: &str) -> Self {
        let list = match pod.container(name).map(|(role, _)| role) {
            Some(Role::Init | Role::Sidecar) => "initContainers",
            Some(Role::Ephemeral) => "ephemeralContainers",
            Some(Role::Main) | None => "containers",
        };
        Self { field_path: format!("spec.{list}{{{name}}}"), ..Self::pod(pod) }
    }

    pub fn node(name: &str) -> Self {
        Self {
            kind: "Node",
            namespace: String::new(),
            name: name.into(),
            uid: name.into(),
            resource_version: String::new(),
            field_path: String::new(),
        }
    }
}

#[derive(Debug)]
struct Record {
    subject: Subject,
    kind: &'static str,
    reason: &'static str,
    message: String,
    at: Timestamp,
}

/// Takes events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    queue: mpsc::Sender<Record>,
}

impl EventRecorder {
    /// Starts the task that writes; it ends when the last recorder is dropped.
    pub fn start(sink: Arc<dyn ObjectSink>, node: &str) -> Self {
        let (queue, records) = mpsc::channel(QUEUE);
        let writer = Writer { sink, node: node.into(), known: HashMap::new() };
        tokio::spawn(writer.run(records));
        Self { queue }
    }

    pub fn normal(&self, subject: Subject, reason: &'static str, message: impl Into<String>) {
        self.record(subject, "Normal", reason, message.into());
    }

    pub fn warning(&self, subject: Subject, reason: &'static str, message: impl Into<String>) {
        self.record(subject, "Warning", reason, message.into());
    }

    fn record(&self, subject: Subject, kind: &'static str, reason: &'static str, message: String) {
        let record = Record { subject, kind, reason, message, at: Timestamp::now() };
        if let Err(error) = self.queue.try_send(record) {
            tracing::warn!(%error, "an event is dropped");
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Series {
    uid: String,
    field_path: String,
    reason: &'static str,
    message: String,
}

struct Known {
    target: WriteTarget,
    count: u32,
}

struct Writer {
    sink: Arc<dyn ObjectSink>,
    node: String,
    known: HashMap<Series, Known>,
}

impl Writer {
    async fn run(mut self, mut records: mpsc::Receiver<Record>) {
        while let Some(record) = records.recv().await {
            if let Err(error) = self.write(&record).await {
                tracing::debug!(%error, reason = record.reason, "an event could not be written");
            }
        }
    }

    async fn write(&mut self, record: &Record) -> Result<(), SinkError> {
        let series = Series {
            uid: record.subject.uid.clone(),
            field_path: record.subject.field_path.clone(),
            reason: record.reason,
            message: record.message.clone(),
        };
        if let Some(known) = self.known.get_mut(&series) {
            known.count += 1;
            let body = json!({"count": known.count, "lastTimestamp": format_time(record.at)});
            let patch = Patch::Merge(Bytes::from(body.to_string()));
            if self.sink.patch(&known.target, patch).await.is_ok() {
                return Ok(());
            }
            self.known.remove(&series); // Expired meanwhile: written anew.
        }
        let target = self.create(record).await?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(series, Known { target, count: 1 });
        Ok(())
    }

    async fn create(&self, record: &Record) -> Result<WriteTarget, SinkError> {
        let namespace = Some(record.subject.namespace.as_str()).filter(|n| !n.is_empty()).unwrap_or("default");
        let name = format!("{}.{:x}{:04x}", record.subject.name, record.at.as_nanosecond(), rand::random::<u16>());
        let target = WriteTarget::new(&GroupVersionResource::new("", "v1", "events"), namespace, &name);
        let body = self.body(record, namespace, &name);
        self.sink.create(&target, Bytes::from(body.to_string())).await?;
        Ok(target)
    }

    fn body(&self, record: &Record, namespace: &str, name: &str) -> Value {
        let (subject, at) = (&record.subject, format_time(record.at));
        json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "kind": subject.kind, "apiVersion": "v1", "namespace": subject.namespace, "name": subject.name,
                "uid": subject.uid, "resourceVersion": subject.resource_version, "fieldPath": subject.field_path,
            },
            "type": record.kind, "reason": record.reason, "message": record.message,
            "source": {"component": "kubelet", "host": self.node},
            "reportingComponent": "kubelet", "reportingInstance": self.node,
            "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        })
    }
}
