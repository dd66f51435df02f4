//! The service proxy on the kernel's packet filter, in a network namespace of its own: the full table after a start, and
//! one endpoint's change among all services until its rule is in the kernel.

use std::{sync::Arc, time::Instant};

use anyhow::Context;
use async_trait::async_trait;
use gantry_meta::GroupVersionResource;
use gantry_netfilter::{Applied, FirewallDriver, FirewallError, IptablesDriver, Programs, Update};
use gantry_plugin::{rule_ir::RuleIr, service_rules};
use gantry_proxy::{PlanError, PlanRequest, ProxyConfig, ServicePlanner, chains};
use gantry_runtime::memory_api::MemoryApi;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    latency::Latencies,
    table::{self, Budget, Row},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 5_000)]
    services: usize,
    /// Of each service.
    #[arg(long, default_value_t = 10)]
    endpoints: usize,
    /// Single-endpoint changes that are timed.
    #[arg(long, default_value_t = 200)]
    changes: usize,
}

/// Needs root: makes a network namespace, and nothing outside of it is touched.
pub fn run(options: &Options) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).context("a network namespace needs root")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure(options))
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let api = MemoryApi::default();
    for index in 0..options.services {
        api.put(&GroupVersionResource::new("", "v1", "services"), service(index));
        put_endpoints(&api, options, index, 0);
    }
    println!("services: {} with {} endpoints each, {}", options.services, options.endpoints, version()?);
    let (applied, mut done) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let started = Instant::now();
    let proxy = tokio::spawn(proxy(api.clone(), applied, stop.clone()));
    let first = done.recv().await.context("the proxy ended")??;
    let full = started.elapsed().as_secs_f64();
    println!("  the full table: {} lines, {} bytes", first.lines, first.bytes);
    let mut latencies = Latencies::default();
    let mut lines = 0;
    for change in 1..=options.changes {
        let at = Instant::now();
        put_endpoints(&api, options, change * 7919 % options.services, change);
        lines = done.recv().await.context("the proxy ended")??.lines;
        latencies.add(at.elapsed());
    }
    let p50 = latencies.percentile_us(0.5) / 1e3;
    println!("  one endpoint changed, {} times, {lines} lines each: p50 {p50:.1} ms", latencies.len());
    stop.cancel();
    proxy.await?;
    let started = Instant::now();
    let (applied, mut done) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let proxy = tokio::spawn(self::proxy(api, applied, stop.clone()));
    let again = done.recv().await.context("the proxy ended")??;
    let restart = started.elapsed().as_secs_f64();
    println!("  a restart on what is there writes {} lines", again.lines);
    stop.cancel();
    proxy.await?;
    table::print(
        "services",
        &[
            Row::new("the full table after a start", "s", full, Budget::Most(2.0)),
            Row::new("a restart on what is there", "s", restart, Budget::Most(2.0)),
            Row::new(
                "one endpoint's change in the kernel, p99",
                "ms",
                latencies.percentile_us(0.99) / 1e3,
                Budget::Most(100.0),
            ),
        ],
    );
    Ok(())
}

type Reports = mpsc::UnboundedSender<Result<Applied, FirewallError>>;

async fn proxy(api: MemoryApi, reports: Reports, stop: CancellationToken) {
    let config =
        ProxyConfig { node: "node-1".into(), networks: chains::Networks { pods: "10.244.0.0/16".parse().ok() } };
    let firewall = IptablesDriver::new(Programs::default(), chains::ownership());
    let firewall = Box::new(Reporting { firewall, reports });
    gantry_proxy::run(config, Arc::new(api), Arc::new(BuiltIn), firewall, stop).await;
}

fn version() -> anyhow::Result<String> {
    let output =
        std::process::Command::new("iptables").arg("--version").output().context("iptables cannot be started")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn service(index: usize) -> Value {
    json!({
        "metadata": {"namespace": "default", "name": format!("web-{index}")},
        "spec": {"type": "ClusterIP", "clusterIP": format!("10.96.{}.{}", index / 250, index % 250 + 1),
                 "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]},
    })
}

/// `generation` changes the first endpoint's address.
fn put_endpoints(api: &MemoryApi, options: &Options, index: usize, generation: usize) {
    let endpoint = |nth: usize| {
        let moved = if nth == 0 { (generation * 7) % 199 } else { 0 };
        json!({"addresses": [format!("10.244.{}.{}", index % 250, nth + 1 + moved)], "nodeName": "node-2",
               "conditions": {"ready": true, "serving": true, "terminating": false}})
    };
    let endpoints: Vec<_> = (0..options.endpoints).map(endpoint).collect();
    let name = format!("web-{index}");
    let slice = json!({
        "metadata": {"namespace": "default", "name": format!("{name}-1"), "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}], "endpoints": endpoints,
    });
    api.put(&GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices"), slice);
}

/// The plan of the built-in types, called directly.
struct BuiltIn;

#[async_trait]
impl ServicePlanner for BuiltIn {
    async fn plan(&self, request: &PlanRequest) -> Result<RuleIr, PlanError> {
        let failed = |error: serde_json::Error| PlanError::Failed {
            service_type: request.service_type.clone(),
            message: error.to_string(),
        };
        let services: Vec<_> = serde_json::from_slice(&request.services).map_err(failed)?;
        let slices: Vec<_> = serde_json::from_slice(&request.slices).map_err(failed)?;
        Ok(service_rules::plan(&request.node, &services, &slices, service_rules::Reach::Cluster))
    }
}

/// Tells when an update is in the kernel.
struct Reporting {
    firewall: IptablesDriver,
    reports: Reports,
}

#[async_trait]
impl FirewallDriver for Reporting {
    async fn apply(&mut self, update: Update<'_>) -> Result<Applied, FirewallError> {
        let outcome = self.firewall.apply(update).await;
        // Nobody listens once the measurement is over.
        match outcome {
            Ok(applied) => drop(self.reports.send(Ok(applied))),
            Err(error) => {
                let told = FirewallError::Refused { program: "iptables-restore".into(), message: error.to_string() };
                drop(self.reports.send(Err(told)));
                return Err(error);
            }
        }
        outcome
    }

    async fn stands(&mut self) -> Result<bool, FirewallError> {
        self.firewall.stands().await
    }

    async fn adopt(&mut self) -> Result<(), FirewallError> {
        self.firewall.adopt().await
    }
}
