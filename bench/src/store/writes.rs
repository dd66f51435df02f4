//! Clients that update keys of their own by compare-and-set, as fast as they are answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::try_join_all;
use gantry_storage::{Expect, Key, Operation, Revision, Shard, Storage, Write};
use gantry_watch_cache::WatchCache;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

use crate::{
    cpu,
    etcd::{Etcd, EtcdClient},
    latency::Latencies,
};

#[derive(Clone, Copy)]
pub struct Load {
    pub clients: usize,
    pub keys: usize,
    pub value_bytes: usize,
    pub duration: Duration,
}

/// Who is written to, and the process whose tree serves.
pub enum Target<'a> {
    Storage(Arc<dyn Storage>, u32),
    /// As API requests do it: acknowledged once this replica's cache has applied it.
    Cache(Arc<WatchCache>, u32),
    Etcd(&'a Etcd),
}

pub struct Outcome {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Per write.
    pub server_cpu_us: f64,
    /// Per write, of this process.
    pub own_cpu_us: f64,
}

/// By throughput.
pub fn median(mut outcomes: Vec<Outcome>) -> Outcome {
    outcomes.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    outcomes.swap_remove(outcomes.len() / 2)
}

#[derive(Clone)]
enum Client {
    Storage(Arc<dyn Storage>),
    Cache(Arc<WatchCache>),
    Etcd(EtcdClient),
}

impl Target<'_> {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Storage(..) => "gantry storage",
            Self::Cache(..) => "gantry storage + cache",
            Self::Etcd(_) => "etcd",
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Storage(_, pid) | Self::Cache(_, pid) => *pid,
            Self::Etcd(etcd) => etcd.pid(),
        }
    }

    async fn clients(&self, count: usize) -> anyhow::Result<Vec<Client>> {
        Ok(match self {
            Self::Storage(storage, _) => vec![Client::Storage(storage.clone()); count],
            Self::Cache(cache, _) => vec![Client::Cache(cache.clone()); count],
            // A connection for every 64 clients: one alone is a bottleneck of HTTP/2.
            Self::Etcd(etcd) => {
                let connections = try_join_all((0..count.div_ceil(64)).map(|_| etcd.client())).await?;
                (0..count).map(|n| Client::Etcd(connections[n % connections.len()].clone())).collect()
            }
        })
    }

    /// `run` is a number of its own for each call, so that no two write the same keys.
    pub async fn run(&self, load: &Load, run: usize) -> anyhow::Result<Outcome> {
        let clients = self.clients(load.clients).await?;
        let (server, own) = (cpu::of_tree(self.pid()), own_cpu());
        let began = Instant::now();
        let runs = clients.into_iter().enumerate().map(|(n, client)| {
            let name = format!("{}-{run}-{n}", self.name().replace([' ', '+'], ""));
            tokio::spawn(write_on(client, name, *load, began + load.duration))
        });
        let mut latencies = Latencies::default();
        for run in runs.collect::<Vec<_>>() {
            latencies.extend(run.await??);
        }
        let took = began.elapsed().as_secs_f64();
        let count = latencies.len() as f64;
        let per_write = |time: Duration| time.as_secs_f64() * 1e6 / count;
        Ok(Outcome {
            per_second: count / took,
            p50_us: latencies.percentile_us(0.5),
            p99_us: latencies.percentile_us(0.99),
            server_cpu_us: per_write(cpu::of_tree(self.pid()) - server),
            own_cpu_us: per_write(own_cpu() - own),
        })
    }
}

/// Processor time of this process so far.
pub fn own_cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_SELF)
}

/// Processor time of this thread so far: what other threads still do for an earlier row is not in it.
pub fn thread_cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_THREAD)
}

fn cpu_of(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("a process may ask for its own usage");
    let time = |t: TimeVal| Duration::from_micros(t.tv_sec().unsigned_abs() * 1_000_000 + t.tv_usec().unsigned_abs());
    time(usage.user_time()) + time(usage.system_time())
}

async fn write_on(mut client: Client, name: String, load: Load, until: Instant) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    let mut revisions = vec![0; load.keys];
    while Instant::now() < until {
        for (n, revision) in revisions.iter_mut().enumerate() {
            let name = format!("{name}-{n}");
            let value = value(&name, load.value_bytes);
            let began = Instant::now();
            *revision = client.put_if(&name, *revision, value).await?;
            latencies.add(began.elapsed());
        }
    }
    Ok(latencies)
}

/// A ConfigMap of about `bytes`, half of it incompressible.
pub fn value(name: &str, bytes: usize) -> Bytes {
    let head = format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"default"}},"data":{{"k":""#
    );
    let filling = bytes.saturating_sub(head.len() + 3);
    let random: Vec<u8> = (0..filling / 2).map(|_| rand::random()).collect();
    format!("{head}{:0<filling$}\"}}}}", hex::encode(random)).into()
}

impl Client {
    async fn put_if(&mut self, name: &str, revision: u64, value: Bytes) -> anyhow::Result<u64> {
        let key = Key::new("", "configmaps", "default", name);
        if let Self::Etcd(client) = self {
            let revision = client.put_if(key.as_str(), revision.cast_signed(), value).await?;
            return Ok(revision.cast_unsigned());
        }
        let expect = if revision == 0 { Expect::Absent } else { Expect::At(Revision(revision)) };
        let operation = Operation::Put(value);
        let write =
            Write { shard: Shard::Durable, key, expect, operation, claims: Vec::new(), with: Vec::new(), fence: None };
        let revision = match self {
            Self::Storage(storage) => storage.commit(write).await?.revision,
            Self::Cache(cache) => cache.commit(write).await?.revision(),
            Self::Etcd(_) => unreachable!("returned above"),
        };
        Ok(revision.0)
    }
}
