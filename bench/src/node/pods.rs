//! Pods through the API, and a watch that tells what became of them.

use std::{
    collections::HashSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{StreamExt, future::try_join_all};
use gantry_client::{ClientConfig, RestClient};
use gantry_meta::GroupVersionResource;
use gantry_runtime::{
    DeleteOptions, ListOptions, ObjectSink, ObjectSource, SinkError, WatchEvent, WatchStream, WriteTarget,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::LIMIT;

pub const IMAGE: &str = "gantry.local/busybox:1";
/// Ends at once when told to.
pub const COMMAND: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"];
const NAMESPACE: &str = "default";

pub struct Pods {
    client: Arc<RestClient>,
    watch: WatchStream,
}

fn resource() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "pods")
}

fn target(name: &str) -> WriteTarget {
    WriteTarget::new(&resource(), NAMESPACE, name)
}

impl Pods {
    /// As the administrator, once the namespace's account is there: without it no pod is admitted.
    pub async fn connect(kubeconfig: &Path) -> Result<Self> {
        let client = Arc::new(RestClient::new(ClientConfig::from_kubeconfig(kubeconfig, None)?)?);
        let accounts = GroupVersionResource::new("", "v1", "serviceaccounts");
        let started = Instant::now();
        while client.get(&accounts, NAMESPACE, "default").await?.is_none() {
            anyhow::ensure!(started.elapsed() < LIMIT, "namespace {NAMESPACE} got no account");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let options = ListOptions { namespace: NAMESPACE.into(), ..Default::default() };
        let listed = client.list(&resource(), &options).await?;
        let watch = client.watch(&resource(), &options, &listed.resource_version).await?;
        Ok(Self { client, watch })
    }

    /// Creates all of them at once; returns how long it took until the watch showed each Running.
    pub async fn until_running(&mut self, names: &[String]) -> Result<Duration> {
        let started = Instant::now();
        let client = self.client.clone();
        let creates = try_join_all(names.iter().map(|name| create(&client, name)));
        let seen = self.until(names, |event| match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                let object: Value = serde_json::from_slice(&pod.json).unwrap_or_default();
                (object["status"]["phase"] == "Running").then_some(pod.name)
            }
            _ => None,
        });
        let (created, seen) = tokio::join!(creates, seen);
        created?;
        seen?;
        Ok(started.elapsed())
    }

    /// Deletes all of them; returns when nothing of them is left.
    pub async fn delete(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            self.client.delete(&target(name), &DeleteOptions::default()).await?;
        }
        let gone = self.until(names, |event| match event {
            WatchEvent::Deleted(pod) => Some(pod.name),
            _ => None,
        });
        gone.await
    }

    /// Waits until `picks` has named each of them.
    async fn until(&mut self, names: &[String], picks: impl Fn(WatchEvent) -> Option<String>) -> Result<()> {
        let mut missing: HashSet<&str> = names.iter().map(String::as_str).collect();
        while !missing.is_empty() {
            let next = timeout(LIMIT, self.watch.next()).await;
            let event = next.with_context(|| format!("nothing was heard of {missing:?}"))?;
            if let Some(name) = picks(event.context("the watch ended")??) {
                missing.remove(name.as_str());
            }
        }
        Ok(())
    }
}

async fn create(client: &RestClient, name: &str) -> Result<(), SinkError> {
    let container = json!({"name": "main", "image": IMAGE, "command": COMMAND});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
    });
    client.create(&target(name), Bytes::from(pod.to_string())).await.map(drop)
}
