//! Binding a pod to a node: once.

use gantry_admission::{Attributes, Operation};
use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Reason, Status, Value, time};
use gantry_storage::{CommitError, Expect};
use jiff::Timestamp;
use serde_json::json;

use super::done;
use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging},
    read,
    request::{Target, WriteOptions},
    response::ApiResponse,
    served::{self, Served},
    state::State,
    write::{Accepted, Along, Write},
};

const MAX_RACES: usize = 16;

pub(super) async fn bind(
    state: &State,
    ctx: &RequestContext,
    target: &Target,
    mut binding: Object,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    let name = if target.name.is_empty() { binding.name().to_owned() } else { target.name.clone() };
    if target.subresource.is_empty() {
        // What is made in a collection has no identity yet.
        binding.metadata_mut().remove("uid");
    }
    if binding.name() != name {
        return Err(Status::bad_request("the name of the binding does not match the name on the URL"));
    }
    let node = validated_node(&binding, &name)?;
    if name.is_empty() {
        return Err(served::nameless());
    }
    let served = state.served.preferred("", "pods").ok_or_else(|| Status::internal("pods are not served"))?;
    let attributes = Attributes {
        operation: Operation::Create,
        resource: &served.gvr,
        subresource: "binding",
        namespace: &target.namespace,
        name: &name,
        user: &ctx.user,
        dry_run: options.dry_run,
    };
    state.admission.mutate(&attributes, Some(&mut binding), None).await?;
    state.admission.validate(&attributes, Some(&binding), None).await?;
    let now = Timestamp::now();
    let write =
        Write { state, ctx, served, namespace: &target.namespace, name: &name, subresource: "binding", options, now };
    assign(&write, &binding, &node).await
}

fn validated_node(binding: &Object, name: &str) -> Result<String, Status> {
    let target = binding.get("target").and_then(Value::as_object);
    let text = |member: &str| target.and_then(|t| t.get(member)).and_then(Value::as_str).unwrap_or_default();
    let path = FieldPath::root().field("target");
    let mut causes = Vec::new();
    if !matches!(text("kind"), "" | "Node") {
        causes.push(Cause::not_supported(&path.field("kind"), text("kind"), &["Node", "<empty>"]));
    }
    if text("name").is_empty() {
        causes.push(Cause::required(&path.field("name"), ""));
    }
    if causes.is_empty() { Ok(text("name").to_owned()) } else { Err(Status::invalid("", "Binding", name, causes)) }
}

async fn assign(write: &Write<'_>, binding: &Object, node: &str) -> Result<ApiResponse, Status> {
    for _ in 0..MAX_RACES {
        let current = read::current(write.state, write.served, write.namespace, write.name).await?;
        let current = current.ok_or_else(|| write.served.not_found(write.name))?;
        let mut pod = read::served_tree(write.served, &current);
        check_bindable(write.served, &pod, binding)?;
        set_node(&mut pod, binding, node, write.now);
        if write.options.dry_run {
            return Ok(done());
        }
        match write.put(Accepted::by_server(pod), Expect::At(current.revision()), Along::default()).await {
            Ok(_) => return Ok(done()),
            Err(CommitError::Conflict { .. }) => {
                let caught_up = write.state.cache.consistent(write.served.shard).await;
                caught_up.map_err(|error| lagging(&error))?;
            }
            Err(error) => return Err(commit_failed(error)),
        }
    }
    Err(conflict(write.name, "the pod changes too often, try again"))
}

fn conflict(name: &str, why: &str) -> Status {
    Status::conflict("", "pods/binding", name, why)
}

fn check_bindable(served: &Served, pod: &Object, binding: &Object) -> Result<(), Status> {
    let name = pod.name();
    let stated = binding.uid();
    if !stated.is_empty() && stated != pod.uid() {
        return Err(served.conflict(name, "the uid in the binding is another pod's"));
    }
    if !["", pod.resource_version()].contains(&binding.resource_version()) {
        return Err(served.conflict(name, "the resourceVersion in the binding is not the pod's"));
    }
    if pod.is_terminating() {
        return Err(conflict(name, "the pod is being deleted, cannot be assigned to a host"));
    }
    let spec = pod.get("spec").and_then(Value::as_object);
    let bound = spec.and_then(|spec| spec.get("nodeName")).and_then(Value::as_str).unwrap_or_default();
    if !bound.is_empty() {
        return Err(conflict(name, &format!("the pod is already assigned to node {bound:?}")));
    }
    let gated = spec.and_then(|spec| spec.get("schedulingGates")).and_then(Value::as_array);
    if gated.is_some_and(|gates| !gates.is_empty()) {
        return Err(conflict(name, "the pod has scheduling gates, cannot be assigned to a host"));
    }
    debug_assert!(conflict(name, "").is(Reason::Conflict), "a lost race is told apart by its reason");
    Ok(())
}

fn set_node(pod: &mut Object, binding: &Object, node: &str, now: Timestamp) {
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("nodeName".into(), node.into());
    }
    for member in ["annotations", "labels"] {
        let given = binding.metadata().and_then(|m| m.get(member)).and_then(Value::as_object);
        for (key, value) in given.into_iter().flatten() {
            let members = pod.metadata_mut().entry(member).or_insert_with(|| json!({}));
            if let Some(members) = members.as_object_mut() {
                members.insert(key.clone(), value.clone());
            }
        }
    }
    set_scheduled(pod, now);
}

fn set_scheduled(pod: &mut Object, now: Timestamp) {
    let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    conditions.retain(|c| c.get("type").and_then(Value::as_str) != Some("PodScheduled"));
    conditions.push(json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": time::format_time(now)}));
}
