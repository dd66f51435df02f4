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
    /// From before a write is sent until its event is read.
    pub sent_p99_ms: f64,
    /// From when the writer has its answer, which is after the commit; not a number unless the writes are paced.
    pub answered_p99_ms: f64,
}

/// When a write was sent, and when its event was read or its answer had, in microseconds of the wall clock.
type Moments = Vec<(u64, u64)>;

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
    let answered = match pace {
        None => {
            requests::drive(&writers, objects, Operation::MergePatch, writes, 16).await?;
            Moments::new()
        }
        Some(pace) => paced(&writers[0], objects, writes, pace).await?,
    };
    if tokio::time::timeout(PATIENCE, expected.done.notified()).await.is_err() {
        bail!("{} of {deliveries} deliveries did not come", expected.left.load(Ordering::Relaxed));
    }
    let (took, cpu) = (began.elapsed(), target.cpu() - cpu);
    let mut seen = Moments::new();
    for reader in readers {
        seen.extend(reader.await??);
    }
    Ok(FanOut {
        per_second: deliveries as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / deliveries as f64,
        sent_p99_ms: p99_ms(&seen, Some),
        answered_p99_ms: p99_ms(&seen, |sent| answered.iter().find(|(at, _)| *at == sent).map(|(_, answer)| *answer)),
    })
}

/// From what `since` makes of the moment of sending. An event that came earlier took no time.
fn p99_ms(seen: &[(u64, u64)], since: impl Fn(u64) -> Option<u64>) -> f64 {
    let mut delays = Latencies::default();
    for (sent, read) in seen {
        if let Some(since) = since(*sent) {
            delays.add(Duration::from_micros(read.saturating_sub(since)));
        }
    }
    delays.percentile_us(0.99) / 1e3
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

async fn open(
    target: &Target,
    objects: &Objects,
    watches: usize,
    expected: &Arc<Expected>,
) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<Moments>>>> {
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

async fn read(mut stream: Chunks, each: usize, expected: Arc<Expected>) -> anyhow::Result<Moments> {
    let mut seen = Moments::new();
    let mut buffer = BytesMut::new();
    while seen.len() < each {
        let Some(chunk) = stream.next().await else { bail!("a watch ended early") };
        buffer.extend_from_slice(&chunk?);
        let before = seen.len();
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            if let Some(sent) = sent_at(&buffer[..end]) {
                seen.push((sent, now_us()));
            }
            buffer.advance(end + 1);
        }
        let came = seen.len() - before;
        if came > 0 && expected.left.fetch_sub(came, Ordering::Relaxed) == came {
            expected.done.notify_one();
        }
    }
    Ok(seen)
}

/// When the write was sent that made this change, by the clock that the writer put into the object.
fn sent_at(line: &[u8]) -> Option<u64> {
    let at = line.strip_prefix(MODIFIED).and_then(|rest| memchr::memmem::find(rest, SENT_AT).map(|at| &rest[at..]))?;
    let digits = at[SENT_AT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
