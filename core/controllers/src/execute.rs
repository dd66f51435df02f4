//! Does what a reconciler wants done: stage by stage, the operations of a stage at once.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use gantry_meta::{GroupVersionResource, Reason, Value};
use gantry_plugin_host::{PlannedOp, Propagation, Verb};
use gantry_runtime::{
    DeleteOptions, EventRecord, EventRecorder, ListOptions, ObjectSink, ObjectSource, Observed, Patch, SinkError,
    WriteTarget,
};
use serde::Serialize;
use serde_json::json;

use crate::stores::Stores;

/// So many requests of one key are under way at once.
const AT_ONCE: usize = 32;

/// What an operation left behind.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// The object was written at this revision.
    Written { resource: GroupVersionResource, name: String, revision: Option<u64> },
    /// The object (of this uid, if it is not empty) is to go.
    Deleted { resource: GroupVersionResource, namespace: String, name: String, uid: String },
    /// Nothing that a cache would show.
    Nothing,
}

/// An operation that failed, as the plugin is told with the next try.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Failed {
    op: usize,
    verb: &'static str,
    resource: String,
    name: String,
    /// 0: the API did not answer.
    code: u16,
    reason: String,
    pub(crate) message: String,
}

/// What became of a key's operations.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    pub(crate) effects: Vec<Effect>,
    pub(crate) failed: Vec<Failed>,
}

/// Writes as one controller.
pub(crate) struct Executor {
    pub(crate) source: Arc<dyn ObjectSource>,
    pub(crate) sink: Arc<dyn ObjectSink>,
    pub(crate) events: EventRecorder,
    /// Of server-side apply.
    pub(crate) field_manager: String,
    pub(crate) stores: Arc<Stores>,
}

/// What is known of each operation so far.
type Results = Vec<Option<Result<String, String>>>;

impl Executor {
    pub(crate) async fn execute(&self, ops: &[PlannedOp]) -> Executed {
        let mut executed = Executed::default();
        let mut results: Results = vec![None; ops.len()];
        let mut stages: Vec<u32> = ops.iter().map(|op| op.stage).collect();
        stages.sort_unstable();
        stages.dedup();
        for stage in stages {
            let of_stage: Vec<usize> = (0..ops.len()).filter(|i| ops[*i].stage == stage).collect();
            let (first, second): (Vec<usize>, Vec<usize>) = of_stage.into_iter().partition(|i| ops[*i].after.is_none());
            self.run(ops, first, &mut results, &mut executed).await;
            // Those that depend on an operation follow it in the same stage, or come in a later one.
            let due = second.into_iter().filter(|i| is_due(&ops[*i], &results)).collect();
            self.run(ops, due, &mut results, &mut executed).await;
            if !executed.failed.is_empty() {
                break;
            }
        }
        executed
    }

    async fn run(&self, ops: &[PlannedOp], indexes: Vec<usize>, results: &mut Results, executed: &mut Executed) {
        let known = &*results;
        let one = |i: usize| async move { (i, self.one(&ops[i], known).await) }.boxed();
        let running: Vec<_> = indexes.into_iter().map(one).collect();
        let done: Vec<_> = stream::iter(running).buffer_unordered(AT_ONCE).collect().await;
        for (i, result) in done {
            match result {
                Ok(effect) => {
                    let name =
                        if let Effect::Written { name, .. } = &effect { name.clone() } else { ops[i].name.clone() };
                    results[i] = Some(Ok(name));
                    executed.effects.push(effect);
                }
                Err(error) => {
                    results[i] = Some(Err(error.to_string()));
                    executed.failed.push(failed(i, &ops[i], &error));
                }
            }
        }
    }

    async fn one(&self, op: &PlannedOp, results: &Results) -> Result<Effect, SinkError> {
        if op.verb == Verb::Event {
            self.tell(op, results);
            return Ok(Effect::Nothing);
        }
        let resource = GroupVersionResource::new(&op.group, &op.version, &op.resource);
        let result = match op.verb {
            Verb::Delete => self.delete(op, &resource).await,
            Verb::DeleteCollection => self.delete_collection(op, &resource).await,
            _ => self.write(op, &resource).await,
        };
        match result {
            Err(SinkError::Refused(status)) if op.ignore_not_found && status.is(Reason::NotFound) => {
                Ok(Effect::Nothing)
            }
            Err(SinkError::Refused(status)) if op.ignore_exists && status.is(Reason::AlreadyExists) => {
                Ok(Effect::Nothing)
            }
            other => other,
        }
    }

    async fn write(&self, op: &PlannedOp, resource: &GroupVersionResource) -> Result<Effect, SinkError> {
        let target = WriteTarget::new(resource, &op.namespace, &op.name).subresource(&op.subresource);
        let body = guarded_body(op);
        let observed = match op.verb {
            Verb::Create => self.sink.create(&target, body).await?,
            Verb::Update => self.sink.update(&target, body).await?,
            Verb::PatchJson => self.sink.patch(&target, Patch::Json(body)).await?,
            Verb::PatchStrategic => self.sink.patch(&target, Patch::Strategic(body)).await?,
            Verb::Apply => {
                let patch = Patch::Apply { body, field_manager: self.field_manager.clone(), force: op.force };
                self.sink.patch(&target, patch).await?
            }
            _ => self.merge(op, &target, body).await?,
        };
        Ok(written(op, resource, observed))
    }

    /// A merge patch of an object that is cached becomes an update of that version: upstream's accounts of controllers may
    /// update objects and status, few may patch them. An account that may only patch does so.
    async fn merge(&self, op: &PlannedOp, target: &WriteTarget, patch: Bytes) -> Result<Observed, SinkError> {
        let cached = self.stores.get(&target.resource).and_then(|store| store.get(&op.namespace, &op.name));
        let updated = cached.and_then(|entry| merged(&entry.record.json, &patch));
        if let Some(updated) = updated {
            match self.sink.update(target, updated).await {
                Err(SinkError::Refused(status)) if status.is(Reason::Forbidden) => {}
                other => return other,
            }
        }
        self.sink.patch(target, Patch::Merge(patch)).await
    }

    async fn delete(&self, op: &PlannedOp, resource: &GroupVersionResource) -> Result<Effect, SinkError> {
        let target = WriteTarget::new(resource, &op.namespace, &op.name);
        self.sink.delete(&target, &delete_options(op)).await?;
        Ok(Effect::Deleted {
            resource: resource.clone(),
            namespace: op.namespace.clone(),
            name: op.name.clone(),
            uid: op.expect_uid.clone(),
        })
    }

    /// As the API has the objects now, each by itself: so one that cannot go does not keep the others.
    async fn delete_collection(&self, op: &PlannedOp, resource: &GroupVersionResource) -> Result<Effect, SinkError> {
        let options = ListOptions {
            namespace: op.namespace.clone(),
            label_selector: String::from_utf8_lossy(&op.body).into_owned(),
            ..ListOptions::default()
        };
        let listed = self.source.list(resource, &options).await.map_err(|e| SinkError::Unavailable(e.to_string()))?;
        let options = &delete_options(op);
        let delete = |item: Observed| {
            let target = WriteTarget::new(resource, &item.namespace, &item.name);
            let one = DeleteOptions { uid: Some(item.uid), ..options.clone() };
            async move { self.sink.delete(&target, &one).await }.boxed()
        };
        let deletes: Vec<_> = listed.items.into_iter().map(delete).collect();
        let results: Vec<_> = stream::iter(deletes).buffer_unordered(AT_ONCE).collect().await;
        let is_gone = |error: &SinkError| matches!(error, SinkError::Refused(status) if status.is(Reason::NotFound));
        match results.into_iter().filter_map(Result::err).find(|error| !is_gone(error)) {
            Some(error) => Err(error),
            None => Ok(Effect::Nothing),
        }
    }

    fn tell(&self, op: &PlannedOp, results: &Results) {
        let Ok(body) = serde_json::from_slice::<Value>(&op.body) else { return };
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        let mut message = text("message");
        if let Some((index, _)) = op.after {
            message = match &results[index] {
                Some(Ok(name)) => message.replace("{name}", name),
                Some(Err(error)) => message.replace("{error}", error),
                None => message,
            };
        }
        let regarding = body["regarding"].clone();
        self.events.record(EventRecord { regarding, event_type: text("type"), reason: text("reason"), message });
    }
}

/// The cached object with the patch applied. Its resourceVersion is the precondition, unless the patch names one.
fn merged(cached: &Bytes, patch: &Bytes) -> Option<Bytes> {
    let mut object = serde_json::from_slice(cached).ok()?;
    merge_into(&mut object, serde_json::from_slice(patch).ok()?);
    Some(Bytes::from(object.to_string()))
}

/// RFC 7386.
fn merge_into(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if !value.is_null() {
            merge_into(&mut target[name], value);
        } else if let Some(members) = target.as_object_mut() {
            members.remove(&name);
        }
    }
}

fn is_due(op: &PlannedOp, results: &Results) -> bool {
    match op.after {
        Some((index, wanted)) => results[index].as_ref().is_some_and(|result| result.is_ok() == wanted),
        None => true,
    }
}

/// The body with its preconditions: in the metadata of what is merged, as tests in a JSON patch.
fn guarded_body(op: &PlannedOp) -> Bytes {
    let guards = [("uid", &op.expect_uid), ("resourceVersion", &op.expect_resource_version)];
    let mut guards = guards.into_iter().filter(|(_, value)| !value.is_empty()).peekable();
    if op.verb == Verb::Create || guards.peek().is_none() {
        return Bytes::copy_from_slice(&op.body);
    }
    match serde_json::from_slice::<Value>(&op.body) {
        Ok(Value::Array(patch)) => {
            let tests = guards
                .map(|(member, value)| json!({"op": "test", "path": format!("/metadata/{member}"), "value": value}));
            Bytes::from(Value::from_iter(tests.chain(patch)).to_string())
        }
        Ok(mut body) if body.is_object() => {
            guards.for_each(|(member, value)| body["metadata"][member] = value.as_str().into());
            Bytes::from(body.to_string())
        }
        // The API says what is wrong with it.
        _ => Bytes::copy_from_slice(&op.body),
    }
}

fn written(op: &PlannedOp, resource: &GroupVersionResource, observed: Observed) -> Effect {
    // What a subresource such as `eviction` or `binding` answers is not the object.
    let is_object = matches!(&*op.subresource, "" | "status" | "finalize");
    let revision = observed.resource_version.parse().ok().filter(|_| is_object);
    Effect::Written { resource: resource.clone(), name: observed.name, revision }
}

fn delete_options(op: &PlannedOp) -> DeleteOptions {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DeleteOptions {
        grace_period_seconds: op.grace_seconds,
        uid: given(&op.expect_uid),
        resource_version: given(&op.expect_resource_version),
        propagation: op.propagation.map(|propagation| match propagation {
            Propagation::Background => gantry_runtime::Propagation::Background,
            Propagation::Foreground => gantry_runtime::Propagation::Foreground,
            Propagation::Orphan => gantry_runtime::Propagation::Orphan,
        }),
    }
}

fn failed(index: usize, op: &PlannedOp, error: &SinkError) -> Failed {
    let (code, reason) = match error {
        SinkError::Refused(status) => {
            let reason =
                status.reason.and_then(|r| serde_json::to_value(r).ok()).and_then(|v| v.as_str().map(str::to_owned));
            (status.code, reason.unwrap_or_default())
        }
        SinkError::Unavailable(_) => (0, String::new()),
    };
    let message = match error {
        SinkError::Refused(status) => status.message.clone(),
        SinkError::Unavailable(_) => error.to_string(),
    };
    let verb = match op.verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
        Verb::DeleteCollection => "deletecollection",
        _ => "patch",
    };
    Failed { op: index, verb, resource: op.resource.clone(), name: op.name.clone(), code, reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_merged_into_the_cached_version() {
        let cached = Bytes::from(r#"{"metadata":{"resourceVersion":"5"},"status":{"a":1,"b":{"c":2}}}"#);
        let patch = Bytes::from(r#"{"status":{"a":null,"b":{"d":3},"e":[1]}}"#);
        let updated: Value = serde_json::from_slice(&merged(&cached, &patch).expect("both are JSON")).expect("JSON");
        assert_eq!(updated, json!({"metadata": {"resourceVersion": "5"}, "status": {"b": {"c": 2, "d": 3}, "e": [1]}}));
    }
}
