//! Watches over TLS: what a delivery costs, and how long it takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use gantry_client::{RawRequest, RestClient};
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    now_us,
    requests::{self, Objects, Operation},
    server::Target,
};
use crate::latency::Latencies;

/// How long the last delivery may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Watches of one connection: HTTP/2 servers commonly allow 100 streams.
const STREAMS: usize = 100;
/// What an object made before the watch opened arrives as.
const MODIFIED: &[u8] = br#"{"type":"MODIFIED""#;
const SENT_AT: &[u8] = br#""at":""#;

pub struct FanOut {
    pub per_second: f64,
    /// Of server and store, per delivery, the writes included.
    pub cpu_us: f64,
    /// From before the write is sent until the event is read.
    pub p99_ms: f64,
}

/// Counts deliveries, and rings when all have come.
struct Expected {
    left: AtomicUsize,
    done: Notify,
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
    let expected = Arc::new(Expected { left: AtomicUsize::new(deliveries), done: Notify::new() });
    let readers = open(target, objects, watches, &expected).await?;
    let writers = target.clients(1).await?;
    let (cpu, began) = (target.cpu(), Instant::now());
    match pace {
        None => drop(requests::drive(&writers, objects, Operation::MergePatch, writes, 16).await?),
        Some(pace) => paced(&writers[0], objects, writes, pace).await?,
    }
    if tokio::time::timeout(PATIENCE, expected.done.notified()).await.is_err() {
        bail!("{} of {deliveries} deliveries did not come", expected.left.load(Ordering::Relaxed));
    }
    let (took, cpu) = (began.elapsed(), target.cpu() - cpu);
    let mut delays = Latencies::default();
    for reader in readers {
        delays.extend(reader.await??);
    }
    Ok(FanOut {
        per_second: deliveries as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / deliveries as f64,
        p99_ms: delays.percentile_us(0.99) / 1e3,
    })
}

async fn paced(client: &RestClient, objects: &Objects, writes: usize, pace: Duration) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(pace);
    for n in 0..writes {
        ticks.tick().await;
        client.call(objects.request(Operation::MergePatch, n)).await?;
    }
    Ok(())
}

async fn open(
    target: &Target,
    objects: &Objects,
    watches: usize,
    expected: &Arc<Expected>,
) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<Latencies>>>> {
    let clients = target.clients(watches.div_ceil(STREAMS).max(4)).await?;
    let list = clients[0].call(RawRequest::get(format!("{}?limit=1", objects.collection()))).await?;
    let list: serde_json::Value = serde_json::from_slice(&list)?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let path = format!("{}?watch=1&resourceVersion={version}&timeoutSeconds=600", objects.collection());
    let each = expected.left.load(Ordering::Relaxed) / watches;
    let mut readers = Vec::new();
    for watch in 0..watches {
        let stream = clients[watch % clients.len()].stream(RawRequest::get(path.clone())).await?;
        readers.push(tokio::spawn(read(stream.boxed(), each, expected.clone())));
    }
    Ok(readers)
}

type Chunks = futures::stream::BoxStream<'static, Result<Bytes, gantry_client::ClientError>>;

async fn read(mut stream: Chunks, each: usize, expected: Arc<Expected>) -> anyhow::Result<Latencies> {
    let mut delays = Latencies::default();
    let mut buffer = BytesMut::new();
    while delays.len() < each {
        let Some(chunk) = stream.next().await else { bail!("a watch ended early") };
        buffer.extend_from_slice(&chunk?);
        let before = delays.len();
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            if let Some(sent) = sent_at(&buffer[..end]) {
                delays.add(Duration::from_micros(now_us().saturating_sub(sent)));
            }
            buffer.advance(end + 1);
        }
        let came = delays.len() - before;
        if came > 0 && expected.left.fetch_sub(came, Ordering::Relaxed) == came {
            expected.done.notify_one();
        }
    }
    Ok(delays)
}

/// When the write was sent that made this change, by the clock that the writer put into the object.
fn sent_at(line: &[u8]) -> Option<u64> {
    let at = line.strip_prefix(MODIFIED).and_then(|rest| memchr::memmem::find(rest, SENT_AT).map(|at| &rest[at..]))?;
    let digits = at[SENT_AT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
