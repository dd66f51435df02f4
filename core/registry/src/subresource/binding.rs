//! Binding a pod to a node: once.

use gantry_admission::{Attributes, Operation};
use gantry_kinds::{
    FieldChain, Members as _,
    fields::{
        core_v1::{Binding, ObjectReference, Pod, PodCondition, PodSpec, PodStatus},
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Cause, Object, ObjectView as _, Reason, Status, Value, time};
use gantry_storage::{CommitError, Expect};
use jiff::Timestamp;

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
        binding.metadata_mut().unset(ObjectMeta::UID);
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
    const KIND: FieldChain = path![Binding::TARGET, ObjectReference::KIND];
    const NODE: FieldChain = path![Binding::TARGET, ObjectReference::NAME];
    let (kind, node) = (binding.text_at(KIND), binding.text_at(NODE));
    let mut causes = Vec::new();
    if !matches!(kind, "" | "Node") {
        causes.push(Cause::not_supported(&KIND.field_path(), kind, &["Node", "<empty>"]));
    }
    if node.is_empty() {
        causes.push(Cause::required(&NODE.field_path(), ""));
    }
    if causes.is_empty() { Ok(node.to_owned()) } else { Err(Status::invalid("", "Binding", name, causes)) }
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
    let bound = pod.text_at(path![Pod::SPEC, PodSpec::NODE_NAME]);
    if !bound.is_empty() {
        return Err(conflict(name, &format!("the pod is already assigned to node {bound:?}")));
    }
    if !pod.items_at(path![Pod::SPEC, PodSpec::SCHEDULING_GATES]).is_empty() {
        return Err(conflict(name, "the pod has scheduling gates, cannot be assigned to a host"));
    }
    debug_assert!(conflict(name, "").is(Reason::Conflict), "a lost race is told apart by its reason");
    Ok(())
}

fn set_node(pod: &mut Object, binding: &Object, node: &str, now: Timestamp) {
    if let Some(spec) = pod.object_mut(Pod::SPEC) {
        spec.set(PodSpec::NODE_NAME, node);
    }
    for member in [ObjectMeta::ANNOTATIONS, ObjectMeta::LABELS] {
        let given = binding.metadata().and_then(|metadata| metadata.object(member));
        if let Some(given) = given.filter(|given| !given.is_empty())
            && let Some(members) = pod.metadata_mut().made(member)
        {
            members.extend(given.clone());
        }
    }
    set_scheduled(pod, now);
}

fn set_scheduled(pod: &mut Object, now: Timestamp) {
    const SCHEDULED: &str = "PodScheduled";
    let Some(status) = pod.object_mut(Pod::STATUS) else { return };
    let Some(conditions) = status.made_list(PodStatus::CONDITIONS) else { return };
    conditions.retain(|condition| condition.as_object().is_none_or(|one| one.text(PodCondition::TYPE) != SCHEDULED));
    conditions.push(Value::from(object! {
        PodCondition::TYPE => SCHEDULED,
        PodCondition::STATUS => "True",
        PodCondition::LAST_PROBE_TIME => Value::Null,
        PodCondition::LAST_TRANSITION_TIME => time::format_time(now),
    }));
}
