//! Eviction: a deletion that disruption budgets may put off.

use std::sync::Arc;

use gantry_meta::{Cause, CauseType, LabelSelector, Object, ObjectView as _, Reason, Status, Value, time};
use gantry_storage::{CommitError, Expect};
use gantry_watch_cache::{CachedObject, ListRequest, Scope};
use jiff::Timestamp;
use serde_json::json;

use super::done;
use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging, list_failed},
    read,
    request::{DeleteOptions, Target, WriteOptions},
    response::ApiResponse,
    served::Served,
    state::State,
    write::{self, Accepted, Along, Write},
};

const VERSIONS: [&str; 2] = ["policy/v1", "policy/v1beta1"];
const MAX_RACES: usize = 16;
/// Who a budget's changes are noted for.
const SERVER: &str = "kube-apiserver";
/// A budget's controller is expected to have counted again by then.
const RECOUNT_SECONDS: u32 = 10;
/// After this long without having gone, an evicted pod counts as staying; the budget's controller forgets it then.
const MAX_DISRUPTED: usize = 2000;

pub(super) async fn evict(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    eviction: Object,
    options: &WriteOptions,
) -> Result<ApiResponse, Status> {
    check_body(&eviction, target)?;
    let mut deletion = match eviction.get("deleteOptions").and_then(Value::as_object) {
        Some(options) => {
            // What stands in a place for options is one, whatever it calls itself.
            let mut options = options.clone();
            options.remove("kind");
            DeleteOptions::from_object(&options)?
        }
        None => DeleteOptions::default(),
    };
    deletion.dry_run |= options.dry_run;
    let current = read::current(state, served, &target.namespace, &target.name).await?;
    let pod = read::served_tree(served, &*current.ok_or_else(|| served.not_found(&target.name))?);
    if !ignores_budgets(&pod) {
        take_from_budget(state, ctx, &target.namespace, &pod, deletion.dry_run).await?;
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
    let status = pod.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let of_this_kind = |condition: &Value| condition.get("type").and_then(Value::as_str) == Some("DisruptionTarget");
    let mut condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": time::format_time(now)});
    match conditions.iter_mut().find(|condition| of_this_kind(condition)) {
        Some(before) => {
            if let (Some(since), Some("True")) = (before.get("lastTransitionTime"), before["status"].as_str()) {
                condition["lastTransitionTime"] = since.clone();
            }
            *before = condition;
        }
        None => conditions.push(condition),
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

/// Pods that are not at work disrupt nothing by going.
fn ignores_budgets(pod: &Object) -> bool {
    let phase = pod.get("status").and_then(|s| s.get("phase")).and_then(Value::as_str).unwrap_or_default();
    pod.is_terminating() || matches!(phase, "Pending" | "Succeeded" | "Failed")
}

fn is_ready(pod: &Object) -> bool {
    let conditions = pod.get("status").and_then(|s| s.get("conditions")).and_then(Value::as_array);
    let ready = |c: &Value| c.get("type") == Some(&json!("Ready")) && c.get("status") == Some(&json!("True"));
    conditions.into_iter().flatten().any(ready)
}

async fn take_from_budget(
    state: &State,
    ctx: &RequestContext,
    namespace: &str,
    pod: &Object,
    dry_run: bool,
) -> Result<(), Status> {
    let served = state.served.preferred("policy", "poddisruptionbudgets");
    let served = served.ok_or_else(|| Status::internal("disruption budgets are not served"))?;
    for _ in 0..MAX_RACES {
        let budgets = budgets_of(state, served, namespace, pod)?;
        let current = match budgets.as_slice() {
            [] => return Ok(()),
            [one] => one,
            _ => {
                let why =
                    "this pod has more than one PodDisruptionBudget, which the eviction subresource does not support";
                let mut refusal = Status::failure(Reason::InternalError, why);
                refusal.reason = None;
                return Err(refusal);
            }
        };
        let mut budget = read::served_tree(served, current);
        if may_always_go(&budget, pod) {
            return Ok(());
        }
        let (now, before) = (Timestamp::now(), budget.clone());
        take_one(&mut budget, pod.name(), now)?;
        if dry_run {
            return Ok(());
        }
        let options = WriteOptions::default();
        let write = Write { state, ctx, served, namespace, name: "", subresource: "status", options: &options, now };
        write.record_as(SERVER, &before, &mut budget);
        match write.put(Accepted::by_server(budget), Expect::At(current.revision()), Along::default()).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {
                state.cache.consistent(served.shard).await.map_err(|error| lagging(&error))?;
            }
            Err(error) => return Err(commit_failed(error)),
        }
    }
    Err(blocked("the disruption budget changes too often, try again"))
}

fn budgets_of(state: &State, served: &Served, namespace: &str, pod: &Object) -> Result<Vec<Arc<CachedObject>>, Status> {
    let request = ListRequest::new(Scope::Namespace(namespace.into()));
    let page = state.cache.list(&served.prefix, &request).map_err(list_failed)?;
    let covers = |budget: &Arc<CachedObject>| {
        let budget = read::served_tree(served, budget);
        let selector = budget.get("spec").and_then(|s| s.get("selector")).and_then(Value::as_object);
        let selector = selector.and_then(|selector| LabelSelector::from_object(selector).ok());
        selector.is_some_and(|selector| selector.matches(pod.labels()))
    };
    Ok(page.objects.into_iter().filter(covers).collect())
}

/// A pod that is not ready is not counted on, if the budget says so or has enough without it.
fn may_always_go(budget: &Object, pod: &Object) -> bool {
    if is_ready(pod) {
        return false;
    }
    let number =
        |member: &str| budget.get("status").and_then(|s| s.get(member)).and_then(Value::as_i64).unwrap_or_default();
    let policy = budget.get("spec").and_then(|s| s.get("unhealthyPodEvictionPolicy")).and_then(Value::as_str);
    policy == Some("AlwaysAllow")
        || (number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0)
}

fn take_one(budget: &mut Object, pod: &str, now: Timestamp) -> Result<(), Status> {
    let generation = budget.generation();
    let status = budget.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return Err(blocked("the disruption budget has no status yet")) };
    let number = |status: &Object, member: &str| status.get(member).and_then(Value::as_i64).unwrap_or_default();
    if number(status, "observedGeneration") < generation {
        let mut status = blocked("the disruption budget is still being processed by the server");
        status.details.get_or_insert_default().retry_after_seconds = RECOUNT_SECONDS;
        return Err(status);
    }
    let allowed = number(status, "disruptionsAllowed");
    if allowed <= 0 {
        return Err(blocked("cannot evict pod as it would violate the pod's disruption budget"));
    }
    status.insert("disruptionsAllowed".into(), (allowed - 1).into());
    if allowed == 1 {
        set_insufficient(status, now);
    }
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    match disrupted.as_object_mut() {
        Some(disrupted) if disrupted.len() < MAX_DISRUPTED => {
            disrupted.insert(pod.to_owned(), time::format_time(now).into());
            Ok(())
        }
        _ => Err(blocked("too many evicted pods have not gone yet")),
    }
}

/// Nobody may go any more, which the budget's condition says.
fn set_insufficient(status: &mut Object, now: Timestamp) {
    let observed = status.get("observedGeneration").cloned().unwrap_or_default();
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let is_it = |condition: &Value| condition.get("type").and_then(Value::as_str) == Some("DisruptionAllowed");
    let before = conditions.iter().position(is_it).map(|at| conditions.remove(at));
    let since =
        before.filter(|b| b.get("status") == Some(&json!("False"))).and_then(|b| b.get("lastTransitionTime").cloned());
    conditions.push(
        json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": observed,
        "lastTransitionTime": since.unwrap_or_else(|| time::format_time(now).into())}),
    );
}

fn blocked(why: &'static str) -> Status {
    Status::failure(Reason::TooManyRequests, why).with_cause(Cause::new(CauseType::DisruptionBudget, "", why))
}
