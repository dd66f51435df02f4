//! Eviction: a deletion that disruption budgets may put off.

use std::sync::Arc;

use gantry_kinds::{
    Members as _,
    fields::{
        core_v1::{Pod, PodCondition, PodStatus},
        meta_v1::DeleteOptions as DeleteOptionsFields,
        policy_v1::Eviction,
    },
    object,
};
use gantry_meta::{Object, ObjectView as _, Status, Value, time};
use gantry_storage::{CommitError, Expect};
use jiff::Timestamp;

use super::{disruption, done};
use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging},
    read,
    request::{DeleteOptions, Target, WriteOptions},
    response::ApiResponse,
    served::Served,
    state::State,
    strategy::keep,
    write::{self, Accepted, Along, Write},
};

const VERSIONS: [&str; 2] = ["policy/v1", "policy/v1beta1"];
const MAX_RACES: usize = 16;

pub(super) async fn evict(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    eviction: Object,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    check_body(&eviction, target)?;
    let mut deletion = match eviction.object(Eviction::DELETE_OPTIONS) {
        Some(options) => {
            // What stands in a place for options is one, whatever it calls itself.
            let mut options = options.clone();
            options.unset(DeleteOptionsFields::KIND);
            DeleteOptions::from_object(&options)?
        }
        None => DeleteOptions::default(),
    };
    deletion.dry_run |= options.dry_run;
    let current = read::current(state, served, &target.namespace, &target.name).await?;
    let pod = read::served_tree(served, &*current.ok_or_else(|| served.not_found(&target.name))?);
    if !disruption::ignores_budgets(&pod) {
        disruption::take(state, ctx, &target.namespace, &pod, deletion.dry_run).await?;
    }
    if !deletion.dry_run {
        mark_disrupted(state, ctx, served, target, &mut deletion).await?;
    }
    write::delete_object(state, ctx, served, &target.namespace, &target.name, &deletion).await?;
    Ok(done())
}

/// Tells the pod's own controller why it goes. A version that the deletion is pinned to moves with this write.
async fn mark_disrupted(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    deletion: &mut DeleteOptions,
) -> Result<(), Status> {
    let (namespace, name) = (&*target.namespace, &*target.name);
    let options = WriteOptions::default();
    for _ in 0..MAX_RACES {
        let current = read::current(state, served, namespace, name).await?.ok_or_else(|| served.not_found(name))?;
        let mut pod = read::served_tree(served, &current);
        write::check_preconditions(served, deletion, &pod)?;
        let (now, before) = (Timestamp::now(), pod.clone());
        set_disrupted(&mut pod, now);
        if pod == before {
            return Ok(());
        }
        let write = Write { state, ctx, served, namespace, name, subresource: "status", options: &options, now };
        match write.put(Accepted::by_server(pod), Expect::At(current.revision()), Along::default()).await {
            Ok(stored) => {
                if let Some(pinned) = &mut deletion.preconditions.resource_version {
                    *pinned = stored.revision().to_string();
                }
                return Ok(());
            }
            Err(CommitError::Conflict { .. }) => {
                state.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?;
            }
            Err(error) => return Err(commit_failed(error)),
        }
    }
    Err(served.conflict(name, "the pod changes too often, try again"))
}

fn set_disrupted(pod: &mut Object, now: Timestamp) {
    const DISRUPTED: &str = "DisruptionTarget";
    let Some(status) = pod.made(Pod::STATUS) else { return };
    let Some(conditions) = status.made_list(PodStatus::CONDITIONS) else { return };
    let mut condition = object! {
        PodCondition::TYPE => DISRUPTED,
        PodCondition::STATUS => "True",
        PodCondition::REASON => "EvictionByEvictionAPI",
        PodCondition::MESSAGE => "Eviction API: evicting",
        PodCondition::LAST_PROBE_TIME => Value::Null,
        PodCondition::LAST_TRANSITION_TIME => time::format_time(now),
    };
    let mut before = conditions.iter_mut().filter_map(Value::as_object_mut);
    match before.find(|condition| condition.text(PodCondition::TYPE) == DISRUPTED) {
        Some(before) => {
            if before.text(PodCondition::STATUS) == "True" && before.has(PodCondition::LAST_TRANSITION_TIME) {
                keep(PodCondition::LAST_TRANSITION_TIME, &mut condition, before);
            }
            *before = condition;
        }
        None => conditions.push(condition.into()),
    }
}

/// The eviction is of a version there was, and about the pod of the URL (400).
fn check_body(eviction: &Object, target: &Target) -> Result<(), Status> {
    let version = eviction.api_version();
    let refused = if !VERSIONS.contains(&version) {
        format!("an eviction is of {}, not of {version}", VERSIONS.join(" or "))
    } else if eviction.name() != target.name {
        "the name of the eviction does not match the name on the URL".to_owned()
    } else if !["", target.namespace.as_str()].contains(&eviction.namespace()) {
        "the namespace of the eviction does not match the namespace on the URL".to_owned()
    } else {
        return Ok(());
    };
    Err(Status::bad_request(refused))
}
