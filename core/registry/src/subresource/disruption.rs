//! Disruption budgets: how many pods may be away at a time.

use std::sync::Arc;

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        core_v1::{Pod, PodCondition, PodStatus},
        meta_v1::Condition,
        policy_v1::{
            PodDisruptionBudget as Budget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus as BudgetStatus,
        },
    },
    object, path,
};
use gantry_meta::{Cause, CauseType, LabelSelector, Object, ObjectView as _, Reason, Status, Value, time};
use gantry_storage::{CommitError, Expect};
use gantry_watch_cache::{CachedObject, ListRequest, Scope};
use jiff::Timestamp;

use crate::{
    context::RequestContext,
    failures::{commit_failed, lagging, list_failed},
    read,
    request::WriteOptions,
    served::Served,
    state::State,
    strategy::keep,
    write::{Accepted, Along, Write},
};

const MAX_RACES: usize = 16;
/// Who a budget's changes are noted for.
const SERVER: &str = "kube-apiserver";
/// A budget's controller is expected to have counted again by then.
const RECOUNT_SECONDS: u32 = 10;
/// After this long without having gone, an evicted pod counts as staying; the budget's controller forgets it then.
const MAX_DISRUPTED: usize = 2000;

/// Pods that are not at work disrupt nothing by going.
pub(super) fn ignores_budgets(pod: &Object) -> bool {
    let phase = pod.text_at(path![Pod::STATUS, PodStatus::PHASE]);
    pod.is_terminating() || matches!(phase, "Pending" | "Succeeded" | "Failed")
}

/// Takes one disruption from the budget of the pod, if it has one and the pod counts (429 where none is left, 500 where two
/// budgets are the pod's).
pub(super) async fn take(
    state: &State,
    ctx: &RequestContext,
    namespace: &str,
    pod: &Object,
    dry_run: bool,
) -> Result<(), Status> {
    let served = state.served.preferred("policy", "poddisruptionbudgets");
    let served = served.ok_or_else(|| Status::internal("disruption budgets are not served"))?;
    for _ in 0..MAX_RACES {
        let Some(current) = budget_of(state, served, namespace, pod)? else { return Ok(()) };
        let mut budget = read::served_tree(served, &current);
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

/// The one budget whose selector covers the pod.
fn budget_of(
    state: &State,
    served: &Served,
    namespace: &str,
    pod: &Object,
) -> Result<Option<Arc<CachedObject>>, Status> {
    let request = ListRequest::new(Scope::Namespace(namespace.into()));
    let page = state.cache.list(&served.prefix, &request).map_err(list_failed)?;
    let covers = |budget: &Arc<CachedObject>| {
        let budget = read::served_tree(served, budget);
        let selector = budget.object_at(path![Budget::SPEC, PodDisruptionBudgetSpec::SELECTOR]);
        let selector = selector.and_then(|selector| LabelSelector::from_object(selector).ok());
        selector.is_some_and(|selector| selector.matches(pod.labels()))
    };
    let mut budgets = page.objects.into_iter().filter(covers);
    let first = budgets.next();
    if budgets.next().is_some() {
        let why = "this pod has more than one PodDisruptionBudget, which the eviction subresource does not support";
        let mut refusal = Status::failure(Reason::InternalError, why);
        refusal.reason = None;
        return Err(refusal);
    }
    Ok(first)
}

fn is_ready(pod: &Object) -> bool {
    let mut conditions = pod.items_at(path![Pod::STATUS, PodStatus::CONDITIONS]).iter().filter_map(Value::as_object);
    conditions.any(|one| one.text(PodCondition::TYPE) == "Ready" && one.text(PodCondition::STATUS) == "True")
}

/// A pod that is not ready is not counted on, if the budget says so or has enough without it.
fn may_always_go(budget: &Object, pod: &Object) -> bool {
    if is_ready(pod) {
        return false;
    }
    let policy = budget.text_at(path![Budget::SPEC, PodDisruptionBudgetSpec::UNHEALTHY_POD_EVICTION_POLICY]);
    let status = budget.object(Budget::STATUS);
    let number = |member: FieldName| status.map_or(0, |status| number(status, member));
    let (current, desired) = (number(BudgetStatus::CURRENT_HEALTHY), number(BudgetStatus::DESIRED_HEALTHY));
    policy == "AlwaysAllow" || (current >= desired && desired > 0)
}

fn number(status: &Object, member: FieldName) -> i64 {
    status.int(member).unwrap_or_default()
}

fn take_one(budget: &mut Object, pod: &str, now: Timestamp) -> Result<(), Status> {
    let generation = budget.generation();
    let Some(status) = budget.made(Budget::STATUS) else {
        return Err(blocked("the disruption budget has no status yet"));
    };
    if number(status, BudgetStatus::OBSERVED_GENERATION) < generation {
        let mut status = blocked("the disruption budget is still being processed by the server");
        status.details.get_or_insert_default().retry_after_seconds = RECOUNT_SECONDS;
        return Err(status);
    }
    let allowed = number(status, BudgetStatus::DISRUPTIONS_ALLOWED);
    if allowed <= 0 {
        return Err(blocked("cannot evict pod as it would violate the pod's disruption budget"));
    }
    status.set(BudgetStatus::DISRUPTIONS_ALLOWED, allowed - 1);
    if allowed == 1 {
        set_insufficient(status, now);
    }
    match status.made(BudgetStatus::DISRUPTED_PODS) {
        Some(disrupted) if disrupted.len() < MAX_DISRUPTED => {
            disrupted.insert(pod.to_owned(), time::format_time(now).into());
            Ok(())
        }
        _ => Err(blocked("too many evicted pods have not gone yet")),
    }
}

/// Nobody may go any more, which the budget's condition says.
fn set_insufficient(status: &mut Object, now: Timestamp) {
    const ALLOWED: &str = "DisruptionAllowed";
    let mut condition = object! {
        Condition::TYPE => ALLOWED,
        Condition::STATUS => "False",
        Condition::REASON => "InsufficientPods",
        Condition::MESSAGE => "",
        Condition::OBSERVED_GENERATION => status.member(BudgetStatus::OBSERVED_GENERATION).cloned().unwrap_or_default(),
        Condition::LAST_TRANSITION_TIME => time::format_time(now),
    };
    let Some(conditions) = status.made_list(BudgetStatus::CONDITIONS) else { return };
    let of_type = |one: &Value| one.as_object().is_some_and(|one| one.text(Condition::TYPE) == ALLOWED);
    let before = conditions.iter().position(of_type).map(|at| conditions.remove(at));
    let before = before.as_ref().and_then(Value::as_object);
    if let Some(before) = before.filter(|before| before.text(Condition::STATUS) == "False" && before.has(SINCE)) {
        keep(SINCE, &mut condition, before);
    }
    conditions.push(condition.into());
}

const SINCE: FieldName = Condition::LAST_TRANSITION_TIME;

fn blocked(why: &'static str) -> Status {
    Status::failure(Reason::TooManyRequests, why).with_cause(Cause::new(CauseType::DisruptionBudget, "", why))
}
