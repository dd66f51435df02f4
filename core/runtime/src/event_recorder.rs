//! Events for users: repeated ones are counted instead of written again, and a component that floods one object is cut short.

use std::{sync::Arc, time::Duration};

use gantry_meta::{GroupVersionResource, Value, time::format_time};
use hashbrown::HashMap;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::debug;

use crate::{ObjectSink, Patch, WriteTarget};

/// Waiting events beyond this are dropped: an event is a courtesy, never a reason to stall.
const QUEUE_MAX: usize = 1000;
/// Repetitions within this time are counted on the first event.
const SAME_WITHIN: Duration = Duration::from_secs(600);
/// So many events about one object at once, then one in five minutes.
const BURST: f64 = 25.0;
const REFILL: Duration = Duration::from_secs(300);
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// One thing that happened to an object.
#[derive(Clone, PartialEq, Debug)]
pub struct EventRecord {
    /// An `ObjectReference`: apiVersion, kind, namespace, name, uid, resourceVersion, fieldPath.
    pub regarding: Value,
    /// `Normal` or `Warning`.
    pub event_type: String,
    /// `CamelCase`, for machines.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Writes core/v1 Events in the background. Clones share the queue.
#[derive(Clone)]
pub struct EventRecorder(mpsc::Sender<EventRecord>);

impl EventRecorder {
    /// `component` is shown as the event's source, `host` as where it ran (empty for the control plane).
    pub fn new(sink: Arc<dyn ObjectSink>, component: &str, host: &str) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let writer = Writer {
            sink,
            component: component.to_owned(),
            host: host.to_owned(),
            written: HashMap::new(),
            allowance: HashMap::new(),
        };
        tokio::spawn(writer.run(receiver));
        Self(sender)
    }

    /// Never waits. Dropped if too many wait already.
    pub fn record(&self, event: EventRecord) {
        if self.0.try_send(event).is_err() {
            debug!("an event was dropped, too many are waiting");
        }
    }
}

/// What makes two events the same.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Identity {
    uid: String,
    event_type: String,
    reason: String,
    message: String,
}

struct Written {
    namespace: String,
    name: String,
    count: u64,
    last: Instant,
}

struct Allowance {
    tokens: f64,
    at: Instant,
}

struct Writer {
    sink: Arc<dyn ObjectSink>,
    component: String,
    host: String,
    written: HashMap<Identity, Written>,
    allowance: HashMap<String, Allowance>,
}

fn text<'v>(regarding: &'v Value, member: &str) -> &'v str {
    regarding.get(member).and_then(Value::as_str).unwrap_or_default()
}

impl Writer {
    async fn run(mut self, mut events: mpsc::Receiver<EventRecord>) {
        while let Some(event) = events.recv().await {
            self.forget_old();
            if self.admits(text(&event.regarding, "uid")) {
                self.write(event).await;
            }
        }
    }

    fn forget_old(&mut self) {
        // Bounded by the rate of events; swept only when it has grown.
        if self.written.len() > 4096 {
            self.written.retain(|_, written| written.last.elapsed() < SAME_WITHIN);
            self.allowance.retain(|_, allowance| allowance.at.elapsed() < REFILL);
        }
    }

    fn admits(&mut self, uid: &str) -> bool {
        let now = Instant::now();
        let allowance = self.allowance.entry(uid.to_owned()).or_insert(Allowance { tokens: BURST, at: now });
        let refilled = (now - allowance.at).as_secs_f64() / REFILL.as_secs_f64();
        allowance.tokens = (allowance.tokens + refilled).min(BURST);
        allowance.at = now;
        let admitted = allowance.tokens >= 1.0;
        if admitted {
            allowance.tokens -= 1.0;
        }
        admitted
    }

    async fn write(&mut self, event: EventRecord) {
        let identity = Identity {
            uid: text(&event.regarding, "uid").to_owned(),
            event_type: event.event_type.clone(),
            reason: event.reason.clone(),
            message: event.message.clone(),
        };
        if let Some(known) = self.written.get_mut(&identity).filter(|known| known.last.elapsed() < SAME_WITHIN) {
            (known.count, known.last) = (known.count + 1, Instant::now());
            let patch = json!({"count": known.count, "lastTimestamp": format_time(jiff::Timestamp::now())}).to_string();
            let target = WriteTarget::new(&events(), &known.namespace, &known.name);
            if self.within_limit(self.sink.patch(&target, Patch::Merge(patch.into()))).await {
                return;
            }
            // It may have expired on the server: write it anew.
        }
        let (namespace, name, body) = self.body(&event);
        if self
            .within_limit(self.sink.create(&WriteTarget::new(&events(), &namespace, ""), body.to_string().into()))
            .await
        {
            self.written.insert(identity, Written { namespace, name, count: 1, last: Instant::now() });
        }
    }

    /// Whether the write succeeded in time.
    async fn within_limit<T>(&self, write: impl Future<Output = Result<T, crate::SinkError>>) -> bool {
        match timeout(WRITE_LIMIT, write).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                debug!(%error, component = self.component, "an event was not written");
                false
            }
            Err(_) => false,
        }
    }

    /// Namespace, name and content of a new Event. Events about cluster-scoped objects live in `default`.
    fn body(&self, event: &EventRecord) -> (String, String, Value) {
        let namespace = match text(&event.regarding, "namespace") {
            "" => "default".to_owned(),
            namespace => namespace.to_owned(),
        };
        let at = jiff::Timestamp::now();
        // By time, so that lists show events of one second in their order.
        let unique = format!("{:x}{:04x}", at.as_nanosecond(), rand::random::<u16>());
        let name = format!("{}.{unique}", text(&event.regarding, "name"));
        let now = format_time(at);
        let body = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": name},
            "involvedObject": event.regarding,
            "type": event.event_type,
            "reason": event.reason,
            "message": event.message,
            "source": if self.host.is_empty() { json!({"component": self.component}) } else {
                json!({"component": self.component, "host": self.host})
            },
            "reportingComponent": self.component,
            "reportingInstance": self.host,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
        });
        (namespace, name, body)
    }
}

fn events() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "events")
}
