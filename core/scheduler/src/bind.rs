//! After the decision: waiting where a plugin wants it, writing the binding.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gantry_plugin_host::{CallSpec, PluginHost, PodArg, SchedulerCycle};
use gantry_runtime::{ObjectSink, Patch, WriteTarget};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{cycle::unreserve, facts::PodFacts, report::pods};

/// A pod on its way to a node.
pub(crate) struct Binding {
    pub(crate) pod: Arc<PodFacts>,
    pub(crate) arg: PodArg,
    pub(crate) node: String,
    pub(crate) cycles: Vec<SchedulerCycle>,
    pub(crate) wait: Option<Duration>,
    pub(crate) budget: Duration,
}

/// Why a pod was not bound.
pub(crate) enum BindError {
    /// A plugin's wait was over without its consent.
    NotPermitted,
    Failed(String),
}

impl Binding {
    /// Binds the pod. On failure every plugin is told.
    pub(crate) async fn run(mut self, sink: Arc<dyn ObjectSink>, host: Arc<PluginHost>) -> Result<(), BindError> {
        let result = self.bind(&*sink, &host).await;
        let bound = result.is_ok();
        let Self { mut cycles, arg, node, budget, .. } = self;
        if !cycles.is_empty() {
            let told = on_lane(&host, move || {
                let spec = CallSpec { budget: Some(budget), ..CallSpec::default() };
                if bound {
                    cycles.iter_mut().for_each(|cycle| drop(cycle.post_bind(&spec, &arg, &node)));
                } else {
                    unreserve(&mut cycles, &spec, &arg, &node);
                }
            });
            // The binding stands or falls without what plugins make of the news.
            let _ = told.await;
        }
        result
    }

    async fn bind(&mut self, sink: &dyn ObjectSink, host: &PluginHost) -> Result<(), BindError> {
        if let Some(wait) = self.wait {
            // Consent to a waiting pod needs an interface of its own; without it the time runs out.
            tokio::time::sleep(wait).await;
            return Err(BindError::NotPermitted);
        }
        self.pre_bind(sink, host).await?;
        let target = WriteTarget::new(&pods(), &self.pod.namespace, &self.pod.name).subresource("binding");
        let body = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": self.pod.name, "namespace": self.pod.namespace, "uid": self.pod.uid},
            "target": {"kind": "Node", "name": self.node},
        });
        let bound = sink.create(&target, Bytes::from(body.to_string())).await;
        bound.map(drop).map_err(|error| BindError::Failed(error.to_string()))
    }

    /// What plugins want written before the binding becomes one patch.
    async fn pre_bind(&mut self, sink: &dyn ObjectSink, host: &PluginHost) -> Result<(), BindError> {
        if self.cycles.is_empty() {
            return Ok(());
        }
        let (mut cycles, arg, node, budget) =
            (std::mem::take(&mut self.cycles), self.arg.clone(), self.node.clone(), self.budget);
        let asked = on_lane(host, move || {
            let spec = CallSpec { budget: Some(budget), ..CallSpec::default() };
            let patches: Result<Vec<_>, _> =
                cycles.iter_mut().map(|cycle| cycle.pre_bind(&spec, &arg, &node)).collect();
            (cycles, patches)
        });
        let (cycles, patches) =
            asked.await.ok_or_else(|| BindError::Failed("a plugin does not return from pre_bind".into()))?;
        self.cycles = cycles;
        let patches = patches.map_err(|error| BindError::Failed(error.to_string()))?;
        let mut merged = Value::Null;
        for patch in patches.into_iter().flatten() {
            let patch =
                serde_json::from_slice(&patch).map_err(|error| BindError::Failed(format!("pre_bind: {error}")))?;
            merge(&mut merged, patch);
        }
        if merged.is_null() {
            return Ok(());
        }
        let target = WriteTarget::new(&pods(), &self.pod.namespace, &self.pod.name);
        let patched = sink.patch(&target, Patch::Merge(Bytes::from(merged.to_string()))).await;
        patched.map(drop).map_err(|error| BindError::Failed(error.to_string()))
    }
}

/// `None`: no thread, or the job did not end within a generous time.
async fn on_lane<R: Send + 'static>(host: &PluginHost, job: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    let (answer, answered) = oneshot::channel();
    host.run_on_lane(move || drop(answer.send(job()))).ok()?;
    tokio::time::timeout(Duration::from_secs(60), answered).await.ok()?.ok()
}

/// Two merge patches become one: later members win.
fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}
