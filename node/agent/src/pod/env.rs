//! A container's environment: services, then `envFrom`, then `env`, later ones winning.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, EnvVarSource};
use thiserror::Error;

use super::{
    desired::DesiredPod,
    downward::{self, PodFacts},
    expansion::expand,
};
use crate::references::ReferencedObjects;

/// Why a container's environment cannot be made: its reason in the status is CreateContainerConfigError.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvError {
    #[error("{kind} {name:?} not found")]
    Missing { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    MissingKey { kind: &'static str, namespace: String, name: String, key: String },
    #[error("unsupported fieldPath: {0}")]
    FieldPath(String),
}

/// The environment in the order in which it was first set.
pub fn environment(
    pod: &DesiredPod,
    container: &Container,
    facts: &PodFacts,
    references: &dyn ReferencedObjects,
    services: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut env = Environment::default();
    services.into_iter().for_each(|(name, value)| env.set(name, value));
    for source in container.env_from.iter().flatten() {
        from_source(pod, source, references)?.into_iter().for_each(|(name, value)| env.set(name, value));
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(pod, container, variable, facts, references, &env)? {
            env.set(variable.name.clone(), value);
        }
    }
    Ok(env.ordered)
}

#[derive(Default)]
struct Environment {
    ordered: Vec<(String, String)>,
}

impl Environment {
    fn set(&mut self, name: String, value: String) {
        match self.ordered.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.ordered.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.ordered.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    }
}

fn from_source(
    pod: &DesiredPod,
    source: &EnvFromSource,
    references: &dyn ReferencedObjects,
) -> Result<BTreeMap<String, String>, EnvError> {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let mut values = BTreeMap::new();
    if let Some(selected) = &source.config_map_ref {
        match references.config_map(pod.namespace(), &selected.name) {
            Some(map) => values.extend(map.data.clone().unwrap_or_default()),
            None => require(selected.optional, "configmap", &selected.name)?,
        }
    }
    if let Some(selected) = &source.secret_ref {
        match references.secret(pod.namespace(), &selected.name) {
            Some(secret) => values.extend(
                secret.data.iter().flatten().map(|(k, v)| (k.clone(), String::from_utf8_lossy(&v.0).into_owned())),
            ),
            None => require(selected.optional, "secret", &selected.name)?,
        }
    }
    Ok(values.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect())
}

fn require(optional: Option<bool>, kind: &'static str, name: &str) -> Result<(), EnvError> {
    if optional.unwrap_or_default() { Ok(()) } else { Err(EnvError::Missing { kind, name: name.into() }) }
}

/// `None`: an optional source is missing, the variable is left out.
fn value_of(
    pod: &DesiredPod,
    container: &Container,
    variable: &EnvVar,
    facts: &PodFacts,
    references: &dyn ReferencedObjects,
    before: &Environment,
) -> Result<Option<String>, EnvError> {
    match &variable.value_from {
        None => Ok(Some(expand(variable.value.as_deref().unwrap_or_default(), |name| before.get(name)))),
        Some(source) => from_value_source(pod, container, source, facts, references),
    }
}

fn from_value_source(
    pod: &DesiredPod,
    container: &Container,
    source: &EnvVarSource,
    facts: &PodFacts,
    references: &dyn ReferencedObjects,
) -> Result<Option<String>, EnvError> {
    if let Some(selector) = &source.field_ref {
        let value = downward::field(pod, facts, &selector.field_path);
        return value.map(Some).ok_or_else(|| EnvError::FieldPath(selector.field_path.clone()));
    }
    if let Some(selector) = &source.resource_field_ref {
        let value = downward::resource_field(pod, Some(container), facts, selector);
        return value.map(Some).ok_or_else(|| EnvError::FieldPath(selector.resource.clone()));
    }
    if let Some(s) = &source.config_map_key_ref {
        let map = references.config_map(pod.namespace(), &s.name);
        let value = map.as_ref().map(|map| map.data.as_ref().and_then(|d| d.get(&s.key)).cloned());
        return chosen(value, "configmap", pod.namespace(), &s.name, &s.key, s.optional);
    }
    if let Some(s) = &source.secret_key_ref {
        let secret = references.secret(pod.namespace(), &s.name);
        let value = secret.as_ref().map(|secret| {
            secret.data.as_ref().and_then(|d| d.get(&s.key)).map(|v| String::from_utf8_lossy(&v.0).into_owned())
        });
        return chosen(value, "secret", pod.namespace(), &s.name, &s.key, s.optional);
    }
    Ok(None)
}

/// `value` is `None` without the object, `Some(None)` without the key.
fn chosen(
    value: Option<Option<String>>,
    kind: &'static str,
    namespace: &str,
    name: &str,
    key: &str,
    optional: Option<bool>,
) -> Result<Option<String>, EnvError> {
    match value {
        Some(Some(value)) => Ok(Some(value)),
        _ if optional.unwrap_or_default() => Ok(None),
        None => Err(EnvError::Missing { kind, name: name.into() }),
        Some(None) => {
            Err(EnvError::MissingKey { kind, namespace: namespace.into(), name: name.into(), key: key.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pod::testing::pod_of, references::testing::FixedReferences};

    fn env_of(container: &str) -> Result<Vec<(String, String)>, EnvError> {
        let pod = pod_of(&format!(r#"{{"containers":[{container}]}}"#));
        let references = FixedReferences::default().with_config_map("ns", "map", &[("k", "v")]);
        let container = pod.main_containers().next().expect("one container");
        environment(&pod, container, &PodFacts::default(), &references, vec![("S".into(), "1".into())])
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn later_sources_win_and_may_refer_to_earlier_ones() {
        let env = env_of(
            r#"{"name":"a","envFrom":[{"prefix":"P_","configMapRef":{"name":"map"}}],
            "env":[{"name":"S","value":"$(P_k)/$(S)"},{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}"#,
        );
        assert_eq!(env, Ok(vec![pair("S", "v/1"), pair("P_k", "v"), pair("N", "pod")]));
    }

    #[test]
    fn a_missing_source_is_named_unless_optional() {
        let variable = |optional: bool| {
            let selector = format!(r#"{{"name":"none","key":"k","optional":{optional}}}"#);
            format!(r#"{{"name":"a","env":[{{"name":"X","valueFrom":{{"secretKeyRef":{selector}}}}}]}}"#)
        };
        assert_eq!(env_of(&variable(true)), Ok(vec![pair("S", "1")]));
        assert_eq!(env_of(&variable(false)), Err(EnvError::Missing { kind: "secret", name: "none".into() }));
    }
}
