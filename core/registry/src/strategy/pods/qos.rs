//! A pod's quality of service, from the requests and limits of its containers.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Container, Pod, PodSpec, ResourceRequirements},
};
use gantry_meta::{Object, quantity::Quantity};

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`: upstream's rules. What the pod asks for as a whole, if it says so at all,
/// takes the place of what its containers ask for.
pub(super) fn qos_class(pod: &Object) -> &'static str {
    let Some(spec) = pod.object(Pod::SPEC) else { return "BestEffort" };
    let askers: Vec<Amounts> = match spec.object(PodSpec::RESOURCES) {
        Some(resources) => vec![Amounts::of(Some(resources))],
        None => {
            let containers = spec.objects(PodSpec::CONTAINERS).chain(spec.objects(PodSpec::INIT_CONTAINERS));
            containers.map(|container| Amounts::of(container.object(Container::RESOURCES))).collect()
        }
    };
    if askers.iter().all(Amounts::is_empty) {
        return "BestEffort";
    }
    if askers.iter().all(Amounts::is_guaranteed) { "Guaranteed" } else { "Burstable" }
}

/// Non-zero requests and limits of one container, or of the pod, in the order of [`COUNTED`].
struct Amounts {
    requests: [Option<Quantity>; 2],
    limits: [Option<Quantity>; 2],
}

impl Amounts {
    fn of(resources: Option<&Object>) -> Self {
        let read = |kind: FieldName| {
            COUNTED.map(|resource| {
                let text = resources?.object(kind)?.get(resource)?.as_str()?;
                Quantity::parse(text).ok().filter(|quantity| quantity.signum() > 0)
            })
        };
        Self { requests: read(ResourceRequirements::REQUESTS), limits: read(ResourceRequirements::LIMITS) }
    }

    fn is_empty(&self) -> bool {
        self.requests.iter().chain(&self.limits).all(Option::is_none)
    }

    fn is_guaranteed(&self) -> bool {
        self.limits.iter().all(Option::is_some) && self.requests == self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_meta::Value;
    use serde_json::json;

    fn class(resources: &[Value]) -> &'static str {
        let containers: Vec<Value> = resources.iter().map(|r| json!({ "resources": r })).collect();
        qos_class(json!({"spec": {"containers": containers}}).as_object().unwrap())
    }

    #[test]
    fn classes_follow_requests_and_limits() {
        let full = json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "0.1", "memory": "1024Mi"}});
        assert_eq!(class(&[full.clone(), json!({})]), "Burstable");
        assert_eq!(class(&[full]), "Guaranteed");
        assert_eq!(class(&[json!({"requests": {"cpu": "0"}})]), "BestEffort");
        assert_eq!(class(&[json!({"limits": {"memory": "1Gi"}})]), "Burstable");
    }

    #[test]
    fn what_the_pod_asks_for_as_a_whole_counts_alone() {
        let spec = |resources: Value| {
            json!({"spec": {"resources": resources, "containers": [
            {"resources": {"requests": {"cpu": "1"}}}]}})
        };
        let class = |resources| qos_class(spec(resources).as_object().unwrap());
        let all = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(class(json!({"requests": all, "limits": all})), "Guaranteed");
        assert_eq!(class(json!({"requests": {"cpu": "2"}})), "Burstable");
        assert_eq!(class(json!({})), "BestEffort");
    }
}
