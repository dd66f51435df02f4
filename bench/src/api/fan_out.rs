//! Watches over TLS: what a delivery costs, and how long it takes.

mod readers;

use std::time::{Duration, Instant};

use anyhow::bail;
use gantry_client::{RawRequest, RestClient};

use super::{
    now_us,
    requests::{self, Objects, Operation},
    server::Target,
};
use crate::{latency::Latencies, store};
use readers::{Expected, Look, Moments, Plan, Readers};

/// How long the last delivery may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Writes in flight where they are not paced.
const IN_FLIGHT: usize = 16;

pub struct FanOut {
    pub per_second: f64,
    /// Of server and store, per delivery, the writes included.
    pub cpu_us: f64,
    /// Of this process, which reads and writes.
    pub own_cpu_us: f64,
    /// From before a write is sent until its event is read; not a number unless the writes are paced.
    pub sent_p99_ms: f64,
    /// From when the writer has its answer, which is after the commit; not a number unless the writes are paced.
    pub answered_p99_ms: f64,
    /// The same for the last of all to read it.
    pub answered_last_ms: f64,
    /// Of the server's memory, for each watch that waits.
    pub watch_bytes: f64,
}

/// Patches objects that exist, with `watches` on their namespace, and waits for every delivery.
pub async fn measure(
    target: &Target,
    objects: &Objects,
    watches: usize,
    writes: usize,
    pace: Option<Duration>,
) -> anyhow::Result<FanOut> {
    let deliveries = watches * writes;
    let expected = Expected::new(deliveries);
    let look = if pace.is_some() { Look::Time } else { Look::Count };
    let path = watch_path(target, objects).await?;
    let resident = target.resident();
    let readers =
        Readers::open(target, &Plan { path, watches, each: writes, look, expected: expected.clone() }).await?;
    let writers = target.clients(1).await?;
    let watch_bytes = (target.resident() - resident) / watches as f64;
    let (cpu, own, began) = (target.cpu(), store::own_cpu(), Instant::now());
    let answered = match pace {
        None => {
            requests::drive(&writers, objects, Operation::MergePatch, writes, IN_FLIGHT).await?;
            Moments::new()
        }
        Some(pace) => paced(&writers[0], objects, writes, pace).await?,
    };
    if tokio::time::timeout(PATIENCE, expected.all()).await.is_err() {
        bail!("{} of {deliveries} deliveries did not come", expected.left());
    }
    let (took, cpu, own) = (began.elapsed(), target.cpu() - cpu, store::own_cpu() - own);
    let seen = tokio::task::spawn_blocking(move || readers.ended()).await??;
    let mut since_answered =
        delays(&seen, |sent| answered.iter().find(|(at, _)| *at == sent).map(|(_, answer)| *answer));
    Ok(FanOut {
        per_second: deliveries as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / deliveries as f64,
        own_cpu_us: own.as_secs_f64() * 1e6 / deliveries as f64,
        sent_p99_ms: delays(&seen, Some).percentile_us(0.99) / 1e3,
        answered_p99_ms: since_answered.percentile_us(0.99) / 1e3,
        answered_last_ms: since_answered.percentile_us(1.0) / 1e3,
        watch_bytes,
    })
}

/// A watch of what is written from now on.
async fn watch_path(target: &Target, objects: &Objects) -> anyhow::Result<String> {
    let list = target.client()?.call(RawRequest::get(format!("{}?limit=1", objects.collection()))).await?;
    let list: serde_json::Value = serde_json::from_slice(&list)?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    Ok(format!("{}?watch=1&resourceVersion={version}&timeoutSeconds=600", objects.collection()))
}

/// From what `since` makes of the moment of sending. An event that came earlier took no time.
fn delays(seen: &[(u64, u64)], since: impl Fn(u64) -> Option<u64>) -> Latencies {
    let mut delays = Latencies::default();
    for (sent, read) in seen {
        if let Some(since) = since(*sent) {
            delays.add(Duration::from_micros(read.saturating_sub(since)));
        }
    }
    delays
}

async fn paced(client: &RestClient, objects: &Objects, writes: usize, pace: Duration) -> anyhow::Result<Moments> {
    let mut ticks = tokio::time::interval(pace);
    let mut answered = Moments::new();
    for n in 0..writes {
        ticks.tick().await;
        let sent = now_us();
        client.call(objects.patch(n, sent)).await?;
        answered.push((sent, now_us()));
    }
    Ok(answered)
}
