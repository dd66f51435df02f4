//! AppArmor profiles, which were annotations before they were fields.

use gantry_meta::{Object, Value};
use serde_json::json;

const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCAL_MAX_BYTES: usize = 4095;

/// Copies the annotations of a new pod into the fields of containers that state no profile, unless the whole pod has that
/// profile already. One warning for each annotation that is copied, or that is none.
pub(super) fn annotations_to_fields(pod: &mut Object) -> Vec<String> {
    let annotations = pod.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let stated = annotations.and_then(Value::as_object).into_iter().flatten();
    let stated: Vec<(String, Option<Value>)> = stated
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), profile(value.as_str()?))))
        .collect();
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut).filter(|_| !stated.is_empty()) else {
        return Vec::new();
    };
    if spec.get("os").and_then(|os| os.get("name")).and_then(Value::as_str) == Some("windows") {
        return Vec::new();
    }
    let of_pod = spec.get("securityContext").and_then(|context| context.get("appArmorProfile")).cloned();
    let mut warnings = Vec::new();
    for container in containers(spec) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some((_, profile)) = stated.iter().find(|(container, _)| *container == name) else { continue };
        if has_profile(container) || (profile.is_some() && *profile == of_pod) {
            continue;
        }
        if let Some(profile) = profile {
            set_profile(container, profile.clone());
        }
        warnings.push(format!(
            "metadata.annotations[{PREFIX}{name}]: deprecated since v1.30; use the field \"appArmorProfile\""
        ));
    }
    warnings
}

fn containers(spec: &mut Object) -> impl Iterator<Item = &mut Object> {
    let lists = spec
        .iter_mut()
        .filter(|(member, _)| matches!(member.as_str(), "initContainers" | "containers" | "ephemeralContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter_map(Value::as_object_mut)
}

fn has_profile(container: &Object) -> bool {
    let context = container.get("securityContext");
    context.and_then(|context| context.get("appArmorProfile")).is_some_and(|profile| !profile.is_null())
}

fn set_profile(container: &mut Object, profile: Value) {
    let context = container.entry("securityContext").or_insert(Value::Null);
    if context.is_null() {
        *context = Value::Object(Object::new());
    }
    if let Some(context) = context.as_object_mut() {
        context.insert("appArmorProfile".into(), profile);
    }
}

/// The profile that an annotation's value stands for.
fn profile(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        other => {
            let local = other.strip_prefix("localhost/").filter(|local| !local.is_empty() && local.trim() == *local)?;
            (local.len() <= LOCAL_MAX_BYTES).then(|| json!({"type": "Localhost", "localhostProfile": local}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modernised(annotation: &str, of_pod: Value) -> (usize, Value) {
        let mut pod = json!({"metadata": {"annotations": {format!("{PREFIX}a"): annotation}},
            "spec": {"securityContext": {"appArmorProfile": of_pod}, "containers": [{"name": "a"}, {"name": "b"}]}});
        let warnings = annotations_to_fields(pod.as_object_mut().unwrap());
        assert!(!has_profile(pod["spec"]["containers"][1].as_object().unwrap()));
        (warnings.len(), pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"].clone())
    }

    #[test]
    fn an_annotation_becomes_the_field_of_its_container() {
        let local = json!({"type": "Localhost", "localhostProfile": "k8s/p"});
        assert_eq!(modernised("localhost/k8s/p", Value::Null), (1, local));
        assert_eq!(modernised("unconfined", Value::Null), (1, json!({"type": "Unconfined"})));
        assert_eq!(modernised("localhost/", Value::Null), (1, Value::Null), "warned about, and good for nothing");
    }

    #[test]
    fn what_holds_for_the_whole_pod_is_not_repeated() {
        assert_eq!(modernised("runtime/default", json!({"type": "RuntimeDefault"})), (0, Value::Null));
    }
}
