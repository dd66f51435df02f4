//! A pod's quality of service, from the requests and limits of its containers.

use gantry_meta::{Object, Value, quantity::Quantity};

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`: upstream's rules.
pub(super) fn qos_class(pod: &Object) -> &'static str {
    let spec = pod.get("spec").and_then(Value::as_object);
    let list = |name: &str| spec.and_then(|s| s.get(name)).and_then(Value::as_array).into_iter().flatten();
    let containers: Vec<Amounts> = list("containers").chain(list("initContainers")).map(Amounts::of).collect();
    if containers.iter().all(Amounts::is_empty) {
        return "BestEffort";
    }
    if containers.iter().all(Amounts::is_guaranteed) { "Guaranteed" } else { "Burstable" }
}

/// Non-zero requests and limits of one container, in the order of [`COUNTED`].
struct Amounts {
    requests: [Option<Quantity>; 2],
    limits: [Option<Quantity>; 2],
}

impl Amounts {
    fn of(container: &Value) -> Self {
        let read = |kind: &str| {
            COUNTED.map(|resource| {
                let text = container.get("resources")?.get(kind)?.get(resource)?.as_str()?;
                Quantity::parse(text).ok().filter(|quantity| !quantity.is_zero())
            })
        };
        Self { requests: read("requests"), limits: read("limits") }
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
}
