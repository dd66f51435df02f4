//! One client, one create at a time: over HTTPS, and what etcd takes for the bytes alone.

use std::time::Instant;

use super::{
    requests::{self, Objects, Operation},
    server::Target,
};
use crate::{
    etcd::Etcd,
    latency::Latencies,
    store::value,
    table::{Budget, Row},
};

const CREATES: usize = 500;
const ROUNDS: usize = 3;

/// Against the kube-apiserver where there is one. Etcd's bare write, which has no API to go through, is printed to compare with.
pub async fn run(gantry: &Target, peer: Option<&Target>) -> anyhow::Result<Row> {
    let etcd = Etcd::start().await?;
    let (mut ours, mut api, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(created(gantry, round).await?);
        if let Some(peer) = peer {
            api.push(created(peer, round).await?);
        }
        if let Some(etcd) = &etcd {
            bare.push(put(etcd, round).await?);
        }
    }
    if !bare.is_empty() {
        println!("  one client: etcd's own write, without an API, p50 {:.2} ms", median(bare) / 1e3);
    }
    let api = (!api.is_empty()).then(|| (median(api) / 1e3, "kube-apiserver"));
    Ok(Row::new("one client, one create, p50", "ms", median(ours) / 1e3, Budget::PeersMost(1.0)).against(api))
}

async fn created(target: &Target, round: usize) -> anyhow::Result<f64> {
    let namespace = format!("single-{}-{round}", std::process::id());
    let objects = Objects { namespace, count: CREATES, first: 0, bytes: 1024 };
    objects.prepare(target).await?;
    let cost = requests::measure(target, &objects, Operation::Create, CREATES, 1).await?;
    Ok(cost.p50_us)
}

async fn put(etcd: &Etcd, round: usize) -> anyhow::Result<f64> {
    let mut client = etcd.client().await?;
    let mut latencies = Latencies::default();
    for n in 0..CREATES {
        let name = format!("single-{round}-{n}");
        let (value, began) = (value(&name, 1024), Instant::now());
        client.put_if(&name, 0, value).await?;
        latencies.add(began.elapsed());
    }
    Ok(latencies.percentile_us(0.5))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
