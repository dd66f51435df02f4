//! Single requests on ConfigMaps, many in flight, and what each costs the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{bail, ensure};
use bytes::Bytes;
use gantry_client::{RawRequest, RestClient};
use http::Method;

use super::server::Target;
use crate::latency::Latencies;

/// HTTP/2 connections that share the requests.
const CONNECTIONS: usize = 4;

/// Objects of one namespace that requests are about.
#[derive(Clone)]
pub struct Objects {
    pub namespace: String,
    /// Those that exist, or will once all are created.
    pub count: usize,
    /// The number of the first that is created.
    pub first: usize,
    /// Bytes of payload in each.
    pub bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Create,
    Get,
    MergePatch,
    Delete,
    /// All of the namespace.
    List,
    /// Its first 500.
    Page,
}

pub struct Cost {
    /// Of server and store, per request.
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Objects {
    pub fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    /// Makes the namespace.
    pub async fn prepare(&self, target: &Target) -> anyhow::Result<()> {
        let body = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, self.namespace);
        target.client()?.call(write(Method::POST, "/api/v1/namespaces".into(), "application/json", body)).await?;
        Ok(())
    }

    pub fn request(&self, operation: Operation, n: usize) -> RawRequest {
        let scattered = || format!("{}/o{}", self.collection(), (n * 7919) % self.count);
        match operation {
            Operation::Create => {
                write(Method::POST, self.collection(), "application/json", self.object(self.first + n))
            }
            Operation::Get => RawRequest::get(scattered()),
            Operation::MergePatch => self.patch(n, super::now_us()),
            Operation::Delete => {
                RawRequest { method: Method::DELETE, ..RawRequest::get(format!("{}/o{n}", self.collection())) }
            }
            Operation::List => RawRequest::get(self.collection()),
            Operation::Page => RawRequest::get(format!("{}?limit=500", self.collection())),
        }
    }

    /// Writes a time into one of them.
    pub fn patch(&self, n: usize, at_us: u64) -> RawRequest {
        let path = format!("{}/o{}", self.collection(), (n * 7919) % self.count);
        write(Method::PATCH, path, "application/merge-patch+json", format!(r#"{{"data":{{"at":"{at_us}"}}}}"#))
    }

    fn object(&self, n: usize) -> String {
        let fill: String = (0..self.bytes).map(|k| char::from(b'a' + ((n * 31 + k * 7) % 26) as u8)).collect();
        let (namespace, label) = (&self.namespace, n % 10);
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"o{n}","namespace":"{namespace}","labels":{{"k":"{label}"}}}},"data":{{"at":"0","fill":"{fill}"}}}}"#
        )
    }
}

fn write(method: Method, path: String, content_type: &'static str, body: impl Into<Bytes>) -> RawRequest {
    RawRequest { method, content_type: Some(content_type), body: body.into(), ..RawRequest::get(path) }
}

/// Sends `requests` of them with `in_flight` at a time.
pub async fn measure(
    target: &Target,
    objects: &Objects,
    operation: Operation,
    requests: usize,
    in_flight: usize,
) -> anyhow::Result<Cost> {
    let clients = target.clients(CONNECTIONS.min(in_flight)).await?;
    let (cpu, began) = (target.cpu(), Instant::now());
    let mut latencies = drive(&clients, objects, operation, requests, in_flight).await?;
    let took = began.elapsed();
    Ok(Cost {
        cpu_us: (target.cpu() - cpu).as_secs_f64() * 1e6 / requests as f64,
        per_second: requests as f64 / took.as_secs_f64(),
        p50_us: latencies.percentile_us(0.5),
        p99_us: latencies.percentile_us(0.99),
    })
}

/// Every request must succeed: a refusal is cheap and would flatter the figure.
pub async fn drive(
    clients: &[RestClient],
    objects: &Objects,
    operation: Operation,
    requests: usize,
    in_flight: usize,
) -> anyhow::Result<Latencies> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..in_flight).map(|worker| {
        let (client, objects, next) = (clients[worker % clients.len()].clone(), objects.clone(), next.clone());
        tokio::spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= requests {
                    return anyhow::Ok(latencies);
                }
                let (request, began) = (objects.request(operation, n), Instant::now());
                let answer = client.raw(request).await?;
                ensure!(answer.status.is_success(), "{operation:?} {n}: status {}", answer.status);
                latencies.add(began.elapsed());
            }
        })
    });
    let mut all = Latencies::default();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await??);
    }
    if all.len() != requests {
        bail!("{} of {requests} requests were answered", all.len());
    }
    Ok(all)
}
