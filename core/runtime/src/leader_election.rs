//! One among equal replicas leads: whoever holds a `coordination.k8s.io/v1 Lease`.
//!
//! Clocks of replicas may differ: a holder is given up only when its lease has not *changed* for its duration by our own
//! monotonic clock. `spec.leaseTransitions` grows with each change of holder and is the fencing token.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_meta::{GroupVersionResource, Object, Reason, Value, time};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{ObjectSink, ObjectSource, Observed, SinkError, SourceError, WriteTarget};

/// Which lease, and how patiently.
#[derive(Clone, Debug)]
pub struct ElectionConfig {
    pub namespace: String,
    pub name: String,
    /// Differs between replicas and between starts of one.
    pub identity: String,
    /// How long a silent holder keeps the lease.
    pub lease_duration: Duration,
    /// How long a leader tries to renew before it gives up; less than `lease_duration`.
    pub renew_deadline: Duration,
    pub retry_period: Duration,
}

impl ElectionConfig {
    /// 15 s, 10 s and 2 s, as the reference's components.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// Proof of leadership, for writes that must not come from a former leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leadership {
    pub lease: String,
    /// Grows with each change of holder.
    pub token: u64,
}

/// The last state of the lease and when we first saw it.
struct Seen {
    resource_version: String,
    spec: Object,
    since: Instant,
}

/// Takes part in an election.
pub struct LeaderElector {
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
    config: ElectionConfig,
    seen: Option<Seen>,
}

impl LeaderElector {
    pub fn new(source: Arc<dyn ObjectSource>, sink: Arc<dyn ObjectSink>, config: ElectionConfig) -> Self {
        Self { source, sink, config, seen: None }
    }

    /// Campaigns until `stop`. Each time the lease is won, runs `lead`; its token is cancelled when leadership is lost or `stop`
    /// comes, and it must end soon after. When `lead` returns by itself, the lease is given back and the campaign ends.
    pub async fn run<F, Fut>(mut self, stop: CancellationToken, mut lead: F)
    where
        F: FnMut(Leadership, CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        while !stop.is_cancelled() {
            let Some(leadership) = stop.run_until_cancelled(self.acquire()).await else { return };
            info!(lease = %leadership.lease, token = leadership.token, "leading");
            let lost = stop.child_token();
            let mut led = std::pin::pin!(lead(leadership, lost.clone()));
            let finished = tokio::select! {
                () = &mut led => true,
                () = self.keep(&lost) => false,
            };
            if !finished {
                // It was told; what it has begun it may bring to an end.
                led.await;
            }
            if finished || stop.is_cancelled() {
                self.release().await;
                return;
            }
            warn!(lease = %self.config.name, "leadership lost");
        }
    }

    async fn acquire(&mut self) -> Leadership {
        loop {
            if let Some(token) = self.try_hold().await {
                return Leadership { lease: self.config.name.clone(), token };
            }
            tokio::time::sleep(self.config.retry_period.mul_f64(rand::random_range(1.0..1.2))).await;
        }
    }

    /// Renews until the deadline passes without success, then cancels `lost`.
    async fn keep(&mut self, lost: &CancellationToken) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.config.renew_deadline {
            tokio::time::sleep(self.config.retry_period).await;
            if self.try_hold().await.is_some() {
                renewed = Instant::now();
            }
        }
        lost.cancel();
    }

    /// Takes or renews the lease; the fencing token if we hold it afterwards.
    async fn try_hold(&mut self) -> Option<u64> {
        match self.observe().await {
            Ok(()) => {}
            Err(error) => {
                warn!(lease = %self.config.name, %error, "the lease cannot be read");
                return None;
            }
        }
        let (target, body, token) = match &self.seen {
            None => (self.target(""), self.body(1, None), 1),
            Some(seen) => {
                let holder = holder(&seen.spec);
                let ours = holder == self.config.identity;
                if !ours
                    && !holder.is_empty()
                    && seen.since.elapsed() < duration_of(&seen.spec, self.config.lease_duration)
                {
                    return None;
                }
                let token = transitions(&seen.spec) + u64::from(!ours);
                (self.target(&self.config.name), self.body(token, Some(seen)), token)
            }
        };
        let create = target.name.is_empty();
        let written =
            if create { self.sink.create(&target, body).await } else { self.sink.update(&target, body).await };
        match written {
            Ok(observed) => {
                self.note(observed);
                Some(token)
            }
            Err(SinkError::Refused(status)) if status.is(Reason::Conflict) || status.is(Reason::AlreadyExists) => None,
            Err(error) => {
                warn!(lease = %self.config.name, %error, "the lease cannot be written");
                None
            }
        }
    }

    async fn observe(&mut self) -> Result<(), SourceError> {
        let found = self.source.get(&leases(), &self.config.namespace, &self.config.name).await?;
        match found {
            None => self.seen = None,
            Some(observed) => self.note(observed),
        }
        Ok(())
    }

    fn note(&mut self, observed: Observed) {
        if self.seen.as_ref().is_some_and(|seen| seen.resource_version == observed.resource_version) {
            return;
        }
        let lease: Object = serde_json::from_slice(&observed.json).unwrap_or_default();
        let spec = lease.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        self.seen = Some(Seen { resource_version: observed.resource_version, spec, since: Instant::now() });
    }

    fn target(&self, name: &str) -> WriteTarget {
        WriteTarget::new(&leases(), &self.config.namespace, name)
    }

    fn body(&self, token: u64, seen: Option<&Seen>) -> Bytes {
        let now = time::format_micro_time(jiff::Timestamp::now());
        let kept = seen
            .filter(|seen| holder(&seen.spec) == self.config.identity)
            .and_then(|seen| seen.spec.get("acquireTime"));
        let mut metadata = json!({"name": self.config.name, "namespace": self.config.namespace});
        if let Some(seen) = seen {
            metadata["resourceVersion"] = seen.resource_version.as_str().into();
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
            "spec": {
                "holderIdentity": self.config.identity,
                "leaseDurationSeconds": self.config.lease_duration.as_secs().max(1),
                "acquireTime": kept.cloned().unwrap_or_else(|| now.clone().into()),
                "renewTime": now,
                "leaseTransitions": token,
            },
        });
        lease.to_string().into()
    }

    /// Lets the next one in at once.
    async fn release(&mut self) {
        let Some(seen) = self.seen.as_ref().filter(|seen| holder(&seen.spec) == self.config.identity) else { return };
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.config.name, "namespace": self.config.namespace, "resourceVersion": seen.resource_version},
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": transitions(&seen.spec)},
        });
        if let Err(error) = self.sink.update(&self.target(&self.config.name), lease.to_string().into()).await {
            warn!(lease = %self.config.name, %error, "the lease was not given back; it will run out");
        }
    }
}

fn leases() -> GroupVersionResource {
    GroupVersionResource::new("coordination.k8s.io", "v1", "leases")
}

fn holder(spec: &Object) -> &str {
    spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default()
}

fn transitions(spec: &Object) -> u64 {
    spec.get("leaseTransitions").and_then(Value::as_u64).unwrap_or_default()
}

fn duration_of(spec: &Object, default: Duration) -> Duration {
    spec.get("leaseDurationSeconds").and_then(Value::as_u64).map_or(default, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gantry_meta::Status;
    use parking_lot::Mutex;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{DeleteOptions, ListOptions, Listed, Patch, WatchStream};

    /// One lease with compare-and-set, and a switch that makes it unreachable for one identity.
    #[derive(Default)]
    struct OneLease {
        lease: Mutex<Option<(u64, Object)>>,
        cut_off: Mutex<String>,
    }

    impl OneLease {
        fn observed(&self) -> Option<Observed> {
            self.lease.lock().as_ref().map(|(revision, lease)| Observed {
                namespace: "ns".into(),
                name: "l".into(),
                uid: String::new(),
                resource_version: revision.to_string(),
                json: serde_json::to_vec(lease).unwrap().into(),
            })
        }

        fn put(&self, body: &Bytes) -> Result<Observed, SinkError> {
            let lease: Object = serde_json::from_slice(body).unwrap();
            if holder(lease["spec"].as_object().unwrap()) == *self.cut_off.lock() {
                return Err(SinkError::Unavailable("cut off".into()));
            }
            let given = lease["metadata"].get("resourceVersion").and_then(Value::as_str).unwrap_or("0").to_owned();
            let mut stored = self.lease.lock();
            let current = stored.as_ref().map_or(0, |(revision, _)| *revision);
            if given != current.to_string() {
                return Err(SinkError::Refused(Box::new(Status::conflict("", "leases", "l", "changed"))));
            }
            *stored = Some((current + 1, lease));
            drop(stored);
            Ok(self.observed().unwrap())
        }
    }

    #[async_trait]
    impl ObjectSource for OneLease {
        async fn get(&self, _: &GroupVersionResource, _: &str, _: &str) -> Result<Option<Observed>, SourceError> {
            Ok(self.observed())
        }

        async fn list(&self, _: &GroupVersionResource, _: &ListOptions) -> Result<Listed, SourceError> {
            unreachable!("elections do not list")
        }

        async fn watch(&self, _: &GroupVersionResource, _: &ListOptions, _: &str) -> Result<WatchStream, SourceError> {
            unreachable!("elections do not watch")
        }
    }

    #[async_trait]
    impl ObjectSink for OneLease {
        async fn create(&self, _: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
            self.put(&body)
        }

        async fn update(&self, _: &WriteTarget, body: Bytes) -> Result<Observed, SinkError> {
            self.put(&body)
        }

        async fn patch(&self, _: &WriteTarget, _: Patch) -> Result<Observed, SinkError> {
            unreachable!("elections do not patch")
        }

        async fn delete(&self, _: &WriteTarget, _: &DeleteOptions) -> Result<(), SinkError> {
            unreachable!("elections do not delete")
        }
    }

    type Reports = mpsc::UnboundedReceiver<(String, u64, bool)>;

    fn campaign(
        lease: &Arc<OneLease>,
        identity: &str,
        report: mpsc::UnboundedSender<(String, u64, bool)>,
    ) -> CancellationToken {
        let elector = LeaderElector::new(lease.clone(), lease.clone(), ElectionConfig::new("ns", "l", identity));
        let (stop, identity) = (CancellationToken::new(), identity.to_owned());
        tokio::spawn(elector.run(stop.clone(), move |leadership, lost| {
            let (report, identity) = (report.clone(), identity.clone());
            async move {
                let _ = report.send((identity.clone(), leadership.token, true));
                lost.cancelled().await;
                let _ = report.send((identity, leadership.token, false));
            }
        }));
        stop
    }

    async fn next(reports: &mut Reports) -> (String, u64, bool) {
        reports.recv().await.expect("a report")
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_passes_on_when_given_back_and_the_token_grows() {
        let (lease, (report, mut reports)) = (Arc::new(OneLease::default()), mpsc::unbounded_channel());
        let stop_a = campaign(&lease, "a", report.clone());
        assert_eq!(next(&mut reports).await, ("a".into(), 1, true));
        let _stop_b = campaign(&lease, "b", report);
        stop_a.cancel();
        assert_eq!(next(&mut reports).await, ("a".into(), 1, false));
        assert_eq!(next(&mut reports).await, ("b".into(), 2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_cut_off_stops_before_another_starts() {
        let (lease, (report, mut reports)) = (Arc::new(OneLease::default()), mpsc::unbounded_channel());
        let _stop_a = campaign(&lease, "a", report.clone());
        assert_eq!(next(&mut reports).await, ("a".into(), 1, true));
        let _stop_b = campaign(&lease, "b", report);
        *lease.cut_off.lock() = "a".into();
        assert_eq!(next(&mut reports).await, ("a".into(), 1, false));
        assert_eq!(next(&mut reports).await, ("b".into(), 2, true));
    }
}
