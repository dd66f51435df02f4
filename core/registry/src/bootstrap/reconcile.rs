//! Passes over all bootstrap objects: list, compare, write what differs. Idempotent, and without memory of its own.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use gantry_auth::rbac::aggregate_cluster_roles;
use gantry_meta::{Object, ObjectView, Reason};
use gantry_runtime::{
    Backoff, DeleteOptions, ListOptions, ObjectSink, ObjectSource, Observed, Patch, SinkError, SourceError, WriteTarget,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    BootstrapError, ClusterFacts, addresses,
    defaults::{self, Defaults},
    drift::Mend,
    service_cidr,
};

/// Writes in flight; they share the store's commits.
const CONCURRENT_WRITES: usize = 64;
/// What was deleted or changed by hand is back after this.
const PASS_EVERY: Duration = Duration::from_secs(30);

/// One pass; returns how many objects it wrote.
pub async fn reconcile(
    source: &dyn ObjectSource,
    sink: &dyn ObjectSink,
    facts: &ClusterFacts,
) -> Result<usize, BootstrapError> {
    let first = reconcile_resource(source, sink, defaults::namespaces()).await?;
    let rest = defaults::all_but_namespaces(facts);
    let passes = stream::iter(rest).map(|defaults| reconcile_resource(source, sink, defaults));
    let results: Vec<Result<usize, BootstrapError>> = passes.buffer_unordered(CONCURRENT_WRITES).collect().await;
    let written = results.into_iter().try_fold(first, |sum, written| Ok(sum + written?))?;
    let marked = service_cidr::mark_ready(source, sink, &facts.service_cidr).await?;
    Ok(written + marked + addresses::repair(source, sink).await?)
}

async fn reconcile_resource(
    source: &dyn ObjectSource,
    sink: &dyn ObjectSink,
    defaults: Defaults,
) -> Result<usize, BootstrapError> {
    let mut existing = existing(source, &defaults).await?;
    let mut steps = Vec::new();
    for wanted in defaults.objects {
        let found = existing.remove(&(wanted.namespace().to_owned(), wanted.name().to_owned()));
        let step = match found {
            None => Some(Step::Create),
            Some(found) => defaults.upkeep.mend(&found, &wanted).map(Step::Mend),
        };
        let target = WriteTarget::new(&defaults.resource, wanted.namespace(), wanted.name());
        steps.extend(step.map(|step| run(sink, target, wanted, step)));
    }
    summed(stream::iter(steps).buffer_unordered(CONCURRENT_WRITES).collect().await)
}

enum Step {
    Create,
    Mend(Mend),
}

type ByName = HashMap<(String, String), Object>;

/// The existing objects among the wanted ones, by namespace and name. A few are asked for one by one: their collection may be as
/// large as the cluster.
async fn existing(source: &dyn ObjectSource, defaults: &Defaults) -> Result<ByName, BootstrapError> {
    const FEW: usize = 4;
    let found =
        if defaults.objects.len() <= FEW { one_by_one(source, defaults).await } else { listed(source, defaults).await };
    let found = found
        .map_err(|source| BootstrapError::List { resource: defaults.resource.group_resource().to_string(), source })?;
    let read = |item: Observed| ((item.namespace, item.name), serde_json::from_slice(&item.json).unwrap_or_default());
    Ok(found.into_iter().map(read).collect())
}

async fn one_by_one(source: &dyn ObjectSource, defaults: &Defaults) -> Result<Vec<Observed>, SourceError> {
    let mut found = Vec::new();
    for wanted in &defaults.objects {
        found.extend(source.get(&defaults.resource, wanted.namespace(), wanted.name()).await?);
    }
    Ok(found)
}

async fn listed(source: &dyn ObjectSource, defaults: &Defaults) -> Result<Vec<Observed>, SourceError> {
    let wanted: HashSet<(&str, &str)> =
        defaults.objects.iter().map(|object| (object.namespace(), object.name())).collect();
    let first = wanted.iter().next().map_or("", |(namespace, _)| namespace);
    let shared = wanted.iter().all(|(namespace, _)| *namespace == first);
    let namespace = if shared { first.to_owned() } else { String::new() };
    let listed = source.list(&defaults.resource, &ListOptions { namespace, ..ListOptions::default() }).await?;
    let among_wanted = |item: &Observed| wanted.contains(&(item.namespace.as_str(), item.name.as_str()));
    Ok(listed.items.into_iter().filter(among_wanted).collect())
}

async fn run(
    sink: &dyn ObjectSink,
    target: WriteTarget,
    wanted: Object,
    step: Step,
) -> (WriteTarget, Result<(), SinkError>) {
    let result = write(sink, &target, &wanted, step).await;
    (target, result)
}

async fn write(sink: &dyn ObjectSink, target: &WriteTarget, wanted: &Object, step: Step) -> Result<(), SinkError> {
    debug!(object = %target.name, resource = %target.resource.resource, "writing a bootstrap object");
    let body = || serde_json::to_vec(wanted).expect("a tree of JSON values always serialises").into();
    let written = match step {
        Step::Create => sink.create(target, body()).await,
        Step::Mend(Mend::Patch(patch)) => sink.patch(target, Patch::Merge(patch.to_string().into())).await,
        Step::Mend(Mend::DeleteAndCreate) => {
            sink.delete(target, &DeleteOptions::default()).await?;
            sink.create(target, body()).await
        }
    };
    match written {
        // Another replica was first, or is at it: the next pass sees what it made.
        Err(SinkError::Refused(status)) if status.is(Reason::AlreadyExists) || status.is(Reason::Conflict) => Ok(()),
        other => other.map(|_| ()),
    }
}

fn summed(results: Vec<(WriteTarget, Result<(), SinkError>)>) -> Result<usize, BootstrapError> {
    let count = results.len();
    let mut failures = results.into_iter().filter_map(|(target, result)| Some((target, result.err()?)));
    match failures.next() {
        None => Ok(count),
        Some((target, source)) => Err(BootstrapError::Write {
            failed: 1 + failures.count(),
            object: format!("{}/{}", target.resource.resource, target.name),
            source,
        }),
    }
}

/// Passes in the background until `stop`: at once, after failures with back-off, and every half minute. Aggregated cluster roles
/// are kept up with as their parts change.
pub fn maintain(
    source: Arc<dyn ObjectSource>,
    sink: Arc<dyn ObjectSink>,
    facts: ClusterFacts,
    stop: CancellationToken,
) -> BootstrapTask {
    tokio::spawn(aggregate_cluster_roles(source.clone(), sink.clone(), stop.clone()));
    let (told, complete) = watch::channel(false);
    let passes = async move {
        let mut backoff = Backoff::new(Duration::from_millis(100), PASS_EVERY);
        loop {
            let pause = match reconcile(source.as_ref(), sink.as_ref(), &facts).await {
                Ok(_) => {
                    told.send_replace(true);
                    backoff.reset();
                    PASS_EVERY
                }
                Err(error) => {
                    warn!(%error, "bootstrap objects are not complete yet");
                    backoff.next_delay()
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(passes).await });
    BootstrapTask { complete }
}

/// The running upkeep of the bootstrap objects.
pub struct BootstrapTask {
    complete: watch::Receiver<bool>,
}

impl BootstrapTask {
    /// Resolves after the first pass that got through (or when the task was stopped).
    pub async fn complete(mut self) {
        let _ = self.complete.wait_for(|complete| *complete).await;
    }
}
