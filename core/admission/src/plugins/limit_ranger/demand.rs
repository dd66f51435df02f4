//! What a pod asks for as a whole.

use std::collections::BTreeMap;

use gantry_meta::{Object, Value, quantity::Quantity};

use crate::tree;

/// Amounts by resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// `resources.MEMBER` of a container, a pod's spec or a claim's spec (`requests`, `limits`).
pub(super) fn stated(holder: &Object, member: &str) -> Amounts {
    let amounts = holder.get("resources").and_then(|r| r.get(member)).and_then(Value::as_object);
    let parse = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
    amounts.into_iter().flatten().filter_map(parse).collect()
}

/// The sum over the containers that run together, or what an init container needs beside the sidecars before it, where that
/// is more; what the pod states as a whole goes before both.
pub(super) fn of_pod(pod: &Object, member: &str) -> Amounts {
    let Some(spec) = tree::spec(pod) else { return Amounts::new() };
    let mut total = Amounts::new();
    for container in tree::items(spec, "containers").filter_map(Value::as_object) {
        add(&mut total, &stated(container, member));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in tree::items(spec, "initContainers").filter_map(Value::as_object) {
        let mut own = stated(container, member);
        if tree::text(container, "restartPolicy") == "Always" {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            own.clone_from(&sidecars);
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut starting, own);
    }
    raise(&mut total, starting);
    let whole = stated(spec, member).into_iter().filter(|(name, _)| matches!(&**name, "cpu" | "memory"));
    total.extend(whole);
    total
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |sum| sum.plus(*amount));
        total.insert(name.clone(), sum);
    }
}

fn raise(highest: &mut Amounts, others: Amounts) {
    for (name, amount) in others {
        let at_least = highest.get(&name).map_or(amount, |highest| amount.max(*highest));
        highest.insert(name, at_least);
    }
}
