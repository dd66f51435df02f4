//! The loop: wait for a change, plan what changed, make the packet filter follow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gantry_netfilter::{FirewallDriver, FirewallError, Update};
use gantry_plugin::rule_ir::{RuleIr, ServiceRules};
use gantry_runtime::{Backoff, CacheEvent, ObjectKey, ObjectSource};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::chains::Networks;
use crate::compile::{CompiledService, compile, udp_flows};
use crate::conntrack::{Stale, UdpFlows, forget};
use crate::health::HealthChecks;
use crate::planner::{PlanError, ServicePlanner};
use crate::state::{ServiceObject, ServiceState, SliceObject};
use crate::table::ServiceTable;

/// How often it is looked whether somebody flushed the tables.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// What the proxy must know besides the cluster's objects.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The node's name: endpoints with it are local.
    pub node: String,
    pub networks: Networks,
}

/// Serves the cluster's services on this node until `stop`; the rules stay in the kernel then. Failures are logged and tried
/// again. To be called once per network namespace.
pub async fn run(
    config: ProxyConfig,
    source: Arc<dyn ObjectSource>,
    planner: Arc<dyn ServicePlanner>,
    firewall: Box<dyn FirewallDriver>,
    stop: CancellationToken,
) {
    let state = ServiceState::follow(&source, &stop);
    let proxy = Proxy::new(config, state, planner, firewall);
    stop.run_until_cancelled(proxy.follow()).await;
}

struct Proxy {
    config: ProxyConfig,
    state: ServiceState,
    planner: Arc<dyn ServicePlanner>,
    firewall: Box<dyn FirewallDriver>,
    table: ServiceTable,
    flows: UdpFlows,
    health: HealthChecks,
    /// Services to be planned anew.
    changed: BTreeSet<ObjectKey>,
    /// Services whose plan failed.
    unplanned: BTreeSet<ObjectKey>,
    /// The packet filter may differ from what the table says: write all of it.
    unsure: bool,
}

/// A service, and its new rules (`None`: none).
type Planned = Vec<(ObjectKey, Option<ServiceRules>)>;

impl Proxy {
    fn new(
        config: ProxyConfig,
        state: ServiceState,
        planner: Arc<dyn ServicePlanner>,
        firewall: Box<dyn FirewallDriver>,
    ) -> Self {
        Self {
            config,
            state,
            planner,
            firewall,
            table: ServiceTable::default(),
            flows: UdpFlows::default(),
            health: HealthChecks::default(),
            changed: BTreeSet::new(),
            unplanned: BTreeSet::new(),
            unsure: true,
        }
    }

    async fn follow(mut self) {
        // Rules of an earlier run serve until everything is known.
        self.state.services.wait_synced().await;
        self.state.slices.wait_synced().await;
        let (mut services, mut slices) = (self.state.services.subscribe(), self.state.slices.subscribe());
        let mut look = tokio::time::interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = Retry::default();
        loop {
            self.take_events(&mut services, &mut slices);
            if !retry.blocked && (self.unsure || !self.changed.is_empty()) {
                let outcome = self.sync().await;
                retry.note(outcome, self.unplanned.is_empty());
            }
            tokio::select! {
                Some(event) = services.recv() => self.service_changed(&event),
                Some(event) = slices.recv() => self.slice_changed(&event),
                _ = look.tick() => self.look().await,
                () = retry.due() => self.changed.append(&mut self.unplanned),
            }
        }
    }

    /// All that has arrived while we were busy: it is handled in one go.
    fn take_events(
        &mut self,
        services: &mut UnboundedReceiver<CacheEvent<ServiceObject>>,
        slices: &mut UnboundedReceiver<CacheEvent<SliceObject>>,
    ) {
        while let Ok(event) = services.try_recv() {
            self.service_changed(&event);
        }
        while let Ok(event) = slices.try_recv() {
            self.slice_changed(&event);
        }
    }

    fn service_changed(&mut self, event: &CacheEvent<ServiceObject>) {
        self.changed.insert(event.object().key.clone());
    }

    fn slice_changed(&mut self, event: &CacheEvent<SliceObject>) {
        self.changed.insert(event.object().service.clone());
        if let CacheEvent::Applied { old: Some(old), .. } = event {
            self.changed.insert(old.service.clone());
        }
    }

    async fn look(&mut self) {
        match self.firewall.stands().await {
            Ok(stands) => self.unsure |= !stands,
            Err(error) => warn!(%error, "the packet filter cannot be looked at"),
        }
    }

    async fn sync(&mut self) -> Result<(), FirewallError> {
        let started = Instant::now();
        let whole = self.unsure;
        let mut keys = std::mem::take(&mut self.changed);
        if whole {
            keys.extend(self.state.keys());
            self.table = ServiceTable::default();
        }
        let (planned, failed) = self.plan(keys.into_iter().collect()).await;
        self.unplanned.extend(failed);
        let mut stale = Vec::new();
        let compiled = self.compile(planned, &mut stale).await;
        let services = compiled.len();
        let lines = self.apply(compiled, whole).await?;
        forget(&stale).await;
        let elapsed = started.elapsed();
        if whole {
            info!(services, lines, ?elapsed, "services are up to date")
        } else {
            debug!(services, lines, ?elapsed, "services changed")
        }
        Ok(())
    }

    async fn apply(
        &mut self,
        compiled: Vec<(ObjectKey, Option<CompiledService>)>,
        whole: bool,
    ) -> Result<usize, FirewallError> {
        let change = self.table.update(compiled);
        // Until it is known to have worked.
        self.unsure = true;
        let applied = if whole {
            let set = self.table.complete(&self.config.networks, change.set);
            self.firewall.apply(Update::Replace(&set)).await?
        } else {
            self.firewall.apply(Update::Change { set: &change.set, removed: &change.removed }).await?
        };
        self.unsure = false;
        Ok(applied.lines)
    }

    /// The new rules of these services, and those that could not be planned.
    async fn plan(&self, keys: Vec<ObjectKey>) -> (Planned, Vec<ObjectKey>) {
        let (mut planned, mut failed) = (Planned::new(), Vec::new());
        let mut absent: BTreeSet<ObjectKey> = keys.iter().cloned().collect();
        for (request, keys) in self.state.requests(&self.config.node, &keys) {
            for key in &keys {
                absent.remove(key);
            }
            match self.planner.plan(&request).await {
                Ok(ir) => planned.extend(assign(keys, ir)),
                Err(error @ PlanError::UnknownType(_)) => {
                    warn!(%error, services = keys.len(), "services get no rules");
                    planned.extend(keys.into_iter().map(|key| (key, None)));
                }
                Err(error @ PlanError::Failed { .. }) => {
                    warn!(%error, "a plan failed");
                    failed.extend(keys);
                }
            }
        }
        planned.extend(absent.into_iter().map(|key| (key, None)));
        (planned, failed)
    }

    async fn compile(&mut self, planned: Planned, stale: &mut Vec<Stale>) -> Vec<(ObjectKey, Option<CompiledService>)> {
        let mut all = Vec::with_capacity(planned.len());
        for (key, rules) in planned {
            let compiled = match rules.as_ref().map(|rules| compile(rules, &self.config.networks)).transpose() {
                Ok(compiled) => compiled,
                Err(error) => {
                    warn!(service = %key, %error, "the plan of a service cannot be used");
                    continue;
                }
            };
            stale.extend(self.flows.update(&key, rules.as_ref().map(udp_flows).unwrap_or_default()));
            self.health.update(&key, rules.and_then(|rules| rules.health_check)).await;
            all.push((key, compiled));
        }
        all
    }
}

/// When what failed is tried again.
#[derive(Default)]
struct Retry {
    backoff: Backoff,
    at: Option<Instant>,
    /// The packet filter refuses: until then nothing is tried. A plan that fails holds up no other service.
    blocked: bool,
}

impl Retry {
    fn note(&mut self, outcome: Result<(), FirewallError>, all_planned: bool) {
        self.blocked = outcome.is_err();
        if let Err(error) = outcome {
            error!(error = &error as &dyn std::error::Error, "services could not be brought up to date, trying again");
        } else if all_planned {
            self.backoff.reset();
            self.at = None;
            return;
        }
        self.at.get_or_insert_with(|| Instant::now() + self.backoff.next_delay());
    }

    /// Resolves when it is time; never if nothing failed.
    async fn due(&mut self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.at = None;
        self.blocked = false;
    }
}

/// Each service that was asked for with what the plan says of it. What the plan says of others is not heard.
fn assign(keys: Vec<ObjectKey>, ir: RuleIr) -> Planned {
    let of = |rules: ServiceRules| (ObjectKey::new(&rules.namespace, &rules.name), rules);
    let mut by_key: std::collections::BTreeMap<_, _> = ir.services.into_iter().map(of).collect();
    keys.into_iter()
        .map(|key| {
            let rules = by_key.remove(&key);
            (key, rules)
        })
        .collect()
}
