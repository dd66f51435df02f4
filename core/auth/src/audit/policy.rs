//! Which requests are recorded, and how much of them. Source: the API reference, `audit.k8s.io/v1 Policy`.

use gantry_meta::Value;
use serde::Deserialize;
use thiserror::Error;

use super::Stage;
use crate::Attributes;

/// How much of a request is recorded; each level holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Level {
    None,
    /// Who, what, when and the outcome.
    Metadata,
    /// What was sent, too.
    Request,
    /// What was answered, too.
    RequestResponse,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// Why a policy file cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    #[error("an audit policy: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("an audit policy has apiVersion audit.k8s.io/v1 and kind Policy, this one {0} and {1}")]
    Kind(String, String),
    #[error("rules: at least one is needed")]
    NoRules,
    #[error("rules[{0}]: nonResourceURLs cannot stand beside resources or namespaces")]
    Mixed(usize),
    #[error("rules[{0}].nonResourceURLs: {1:?} must begin with '/' and may hold '*' at its end only")]
    Url(usize, String),
    #[error("rules[{0}].resources: resourceNames need resources")]
    Names(usize),
}

/// Rules in order; the first that matches a request decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    api_version: String,
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: Option<Value>,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What the policy wants of one request.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub level: Level,
    pub omit_stages: Vec<Stage>,
    pub omit_managed_fields: bool,
}

impl Policy {
    /// # Errors
    /// If it is not a policy, or one of its rules cannot be meant.
    pub fn from_json(file: Value) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_value(file)?;
        if policy.api_version != "audit.k8s.io/v1" || policy.kind != "Policy" {
            return Err(PolicyError::Kind(policy.api_version, policy.kind));
        }
        if policy.rules.is_empty() {
            return Err(PolicyError::NoRules);
        }
        policy.rules.iter().enumerate().try_for_each(|(at, rule)| rule.check(at))?;
        Ok(policy)
    }

    /// `None`: the request is not recorded.
    pub fn choose(&self, attributes: &Attributes<'_>) -> Option<Chosen> {
        let rule = self.rules.iter().find(|rule| rule.matches(attributes)).filter(|rule| rule.level != Level::None)?;
        Some(Chosen {
            level: rule.level,
            omit_stages: self.omit_stages.iter().chain(&rule.omit_stages).copied().collect(),
            omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
        })
    }
}

/// An empty list stands for all.
fn any_or(list: &[String], holds: impl Fn(&str) -> bool) -> bool {
    list.is_empty() || list.iter().any(|item| holds(item))
}

impl Rule {
    fn check(&self, at: usize) -> Result<(), PolicyError> {
        let names_resources = !self.resources.is_empty() || !self.namespaces.is_empty();
        if names_resources && !self.non_resource_urls.is_empty() {
            return Err(PolicyError::Mixed(at));
        }
        let fine = |url: &&String| {
            let stem = url.strip_suffix('*').unwrap_or(url);
            *url == "*" || (url.starts_with('/') && !stem.contains('*'))
        };
        if let Some(url) = self.non_resource_urls.iter().find(|url| !fine(url)) {
            return Err(PolicyError::Url(at, url.clone()));
        }
        if self.resources.iter().any(|group| group.resources.is_empty() && !group.resource_names.is_empty()) {
            return Err(PolicyError::Names(at));
        }
        Ok(())
    }

    fn matches(&self, attributes: &Attributes<'_>) -> bool {
        any_or(&self.users, |user| attributes.user.name == user)
            && any_or(&self.user_groups, |group| attributes.user.in_group(group))
            && any_or(&self.verbs, |verb| attributes.verb == verb)
            && self.matches_what(attributes)
    }

    fn matches_what(&self, attributes: &Attributes<'_>) -> bool {
        if !attributes.is_resource() {
            let of_resources = !(self.resources.is_empty() && self.namespaces.is_empty());
            return !of_resources && any_or(&self.non_resource_urls, |url| covers(url, attributes.path));
        }
        self.non_resource_urls.is_empty()
            && any_or(&self.namespaces, |namespace| attributes.namespace == namespace)
            && (self.resources.is_empty() || self.resources.iter().any(|group| group.matches(attributes)))
    }
}

fn covers(url: &str, path: &str) -> bool {
    url == path || url.strip_suffix('*').is_some_and(|stem| path.starts_with(stem))
}

impl GroupResources {
    fn matches(&self, attributes: &Attributes<'_>) -> bool {
        let Attributes { resource, subresource, name, .. } = *attributes;
        let named = |wanted: &str| match wanted.split_once('/') {
            None => wanted == "*" || (subresource.is_empty() && wanted == resource),
            Some(("*", sub)) => !subresource.is_empty() && sub == subresource,
            Some((of, "*")) => of == resource,
            Some((of, sub)) => of == resource && sub == subresource,
        };
        self.group == attributes.group
            && any_or(&self.resources, named)
            && any_or(&self.resource_names, |wanted| wanted == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::UserInfo;

    fn policy(rules: Value) -> Policy {
        let file = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules});
        Policy::from_json(file).unwrap()
    }

    fn level(policy: &Policy, attributes: &Attributes<'_>) -> Level {
        policy.choose(attributes).map_or(Level::None, |chosen| chosen.level)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = policy(json!([
            {"level": "None", "users": ["system:kube-proxy"], "verbs": ["watch"]},
            {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "pods/log", "*/status"]}]},
            {"level": "Request", "namespaces": ["kube-system"]},
            {"level": "RequestResponse", "resources": [{"group": "", "resources": ["pods"], "resourceNames": ["a"]}]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/version"]},
            {"level": "Metadata", "userGroups": ["dev"]},
        ]));
        let (proxy, jane) = (UserInfo::new("system:kube-proxy", &[]), UserInfo::new("jane", &["dev"]));
        let ask = |user, verb, resource| Attributes::resource(user, verb, "", resource);
        assert_eq!(level(&policy, &ask(&proxy, "watch", "secrets")), Level::None);
        assert_eq!(level(&policy, &ask(&jane, "get", "secrets")), Level::Metadata);
        assert_eq!(level(&policy, &ask(&proxy, "get", "pods").subresource("log")), Level::Metadata);
        assert_eq!(level(&policy, &ask(&proxy, "update", "nodes").subresource("status")), Level::Metadata);
        assert_eq!(level(&policy, &ask(&proxy, "get", "pods").at("kube-system", "x")), Level::Request);
        assert_eq!(level(&policy, &ask(&jane, "get", "pods").at("default", "a")), Level::RequestResponse);
        assert_eq!(level(&policy, &ask(&jane, "get", "pods").at("default", "b")), Level::Metadata);
        assert_eq!(level(&policy, &ask(&proxy, "get", "pods").at("default", "b")), Level::None);
        assert_eq!(level(&policy, &Attributes::path(&jane, "get", "/healthz/ping")), Level::None);
        assert_eq!(level(&policy, &Attributes::path(&jane, "get", "/metrics")), Level::Metadata);
        let chosen = policy.choose(&ask(&jane, "get", "secrets")).unwrap();
        assert_eq!(chosen.omit_stages, [Stage::RequestReceived]);
    }

    #[test]
    fn a_policy_that_cannot_be_meant_is_refused_with_its_place() {
        let refused = |rules: Value| {
            let file = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
            Policy::from_json(file).unwrap_err().to_string()
        };
        assert!(refused(json!([])).contains("at least one"));
        assert!(refused(json!([{"level": "Everything"}])).contains("Everything"));
        assert!(refused(json!([{"level": "Metadata", "nonResourceURLs": ["/a*b"]}])).contains("rules[0]"));
        let mixed = json!([{"level": "None"}, {"level": "Metadata", "nonResourceURLs": ["/a"], "namespaces": ["b"]}]);
        assert!(refused(mixed).contains("rules[1]"));
        assert!(Policy::from_json(json!({"apiVersion": "v1", "kind": "Policy", "rules": []})).is_err());
    }
}
