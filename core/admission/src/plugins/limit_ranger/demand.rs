//! What a pod asks for as a whole.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Container, Pod, PodSpec},
};
use gantry_meta::{
    Object, Value,
    quantity::{self, Demand, Quantity},
};

pub(super) type Amounts = quantity::Amounts<Quantity>;

/// `resources.MEMBER` of a container, a pod's spec or a claim's spec (`requests`, `limits`): they have it in one place.
pub(super) fn stated(holder: &Object, member: FieldName) -> Amounts {
    let amounts = holder.object(Container::RESOURCES).and_then(|resources| resources.object(member));
    let parse = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
    amounts.into_iter().flatten().filter_map(parse).collect()
}

/// The sum over the containers that run together, or what an init container needs beside the sidecars before it, where that
/// is more; what the pod states as a whole goes before both.
pub(super) fn of_pod(pod: &Object, member: FieldName) -> Amounts {
    let Some(spec) = pod.object(Pod::SPEC) else { return Amounts::new() };
    let mut demand = Demand::default();
    spec.objects(PodSpec::CONTAINERS).for_each(|container| demand.runs(&stated(container, member)));
    for container in spec.objects(PodSpec::INIT_CONTAINERS) {
        match container.text(Container::RESTART_POLICY) {
            "Always" => demand.stays(&stated(container, member)),
            _ => demand.ends(stated(container, member)),
        }
    }
    let mut total = demand.total();
    total.extend(stated(spec, member).into_iter().filter(|(name, _)| matches!(&**name, "cpu" | "memory")));
    total
}
