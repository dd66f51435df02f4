//! AppArmor profiles, which were annotations before they were fields.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{AppArmorProfile, Container, Pod, PodOS, PodSecurityContext, PodSpec, SecurityContext},
    object, path,
};
use gantry_meta::{Object, ObjectView as _, Value};

const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCAL_MAX_BYTES: usize = 4095;

/// Copies the annotations of a new pod into the fields of containers that state no profile, unless the whole pod has that
/// profile already. One warning for each annotation that is copied, or that is none.
pub(super) fn annotations_to_fields(pod: &mut Object) -> Vec<String> {
    let stated: Vec<(String, Option<Value>)> = pod
        .annotations()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), profile(value.as_str()?))))
        .collect();
    let Some(spec) = pod.object_mut(Pod::SPEC).filter(|_| !stated.is_empty()) else { return Vec::new() };
    if spec.text_at(path![PodSpec::OS, PodOS::NAME]) == "windows" {
        return Vec::new();
    }
    let of_pod = spec.at(path![PodSpec::SECURITY_CONTEXT, PodSecurityContext::APP_ARMOR_PROFILE]).cloned();
    let mut warnings = Vec::new();
    for container in containers(spec) {
        let name = container.text(Container::NAME).to_owned();
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
    const LISTS: [FieldName; 3] = [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS];
    let lists = spec.iter_mut().filter(|(member, _)| LISTS.iter().any(|list| list.as_str() == member.as_str()));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter_map(Value::as_object_mut)
}

fn has_profile(container: &Object) -> bool {
    container.at(path![Container::SECURITY_CONTEXT, SecurityContext::APP_ARMOR_PROFILE]).is_some()
}

fn set_profile(container: &mut Object, profile: Value) {
    if let Some(context) = container.made(Container::SECURITY_CONTEXT) {
        context.set(SecurityContext::APP_ARMOR_PROFILE, profile);
    }
}

/// The profile that an annotation's value stands for.
fn profile(annotation: &str) -> Option<Value> {
    let profile = match annotation {
        "unconfined" => object! { AppArmorProfile::TYPE => "Unconfined" },
        "runtime/default" => object! { AppArmorProfile::TYPE => "RuntimeDefault" },
        other => {
            let local = other.strip_prefix("localhost/").filter(|local| !local.is_empty() && local.trim() == *local)?;
            if local.len() > LOCAL_MAX_BYTES {
                return None;
            }
            object! { AppArmorProfile::TYPE => "Localhost", AppArmorProfile::LOCALHOST_PROFILE => local }
        }
    };
    Some(profile.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
