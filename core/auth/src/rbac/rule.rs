//! One rule of a role: matching requests, and covering other rules.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Attributes;

/// `rbac.authorization.k8s.io/v1 PolicyRule`. Absent and `null` lists read as empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    #[serde(deserialize_with = "null_as_empty")]
    pub verbs: Vec<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

const ALL: &str = "*";

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == ALL || entry == wanted)
}

/// `resources` entries are `*`, `pods`, `pods/log` or `*/log`.
fn resource_matches(entry: &str, resource: &str, subresource: &str) -> bool {
    match entry.split_once('/') {
        _ if entry == ALL => true,
        None => subresource.is_empty() && entry == resource,
        Some((main, sub)) => !subresource.is_empty() && sub == subresource && (main == ALL || main == resource),
    }
}

/// A trailing star matches what is below: `/tree/*` matches `/tree/a`, not `/tree`.
fn path_matches(entry: &str, path: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => entry == path,
    }
}

impl PolicyRule {
    /// A rule on resources.
    pub fn on(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Self {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self { verbs: owned(verbs), api_groups: owned(groups), resources: owned(resources), ..Self::default() }
    }

    /// Whether this rule permits the request, wherever its binding holds.
    pub fn permits(&self, a: &Attributes<'_>) -> bool {
        if !has(&self.verbs, a.verb) {
            return false;
        }
        if !a.is_resource() {
            return self.non_resource_urls.iter().any(|entry| path_matches(entry, a.path));
        }
        has(&self.api_groups, a.group)
            && self.resources.iter().any(|entry| resource_matches(entry, a.resource, a.subresource))
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == a.name))
    }

    /// Whether whoever has `self` has all that the one-verb, one-thing rule `other` gives.
    fn covers_one(&self, other: &PolicyRule) -> bool {
        let each = |own: &[String], wanted: &[String]| wanted.iter().all(|w| has(own, w));
        let names = self.resource_names.is_empty()
            || (!other.resource_names.is_empty()
                && other.resource_names.iter().all(|name| self.resource_names.contains(name)));
        each(&self.verbs, &other.verbs)
            && each(&self.api_groups, &other.api_groups)
            && other.resources.iter().all(|wanted| self.covers_resource(wanted))
            && names
            && other.non_resource_urls.iter().all(|wanted| self.covers_path(wanted))
    }

    fn covers_resource(&self, wanted: &str) -> bool {
        let sub = wanted.split_once('/').map(|(_, sub)| sub);
        self.resources.iter().any(|own| {
            own == ALL || own == wanted || matches!((own.split_once('/'), sub), (Some((ALL, a)), Some(b)) if a == b)
        })
    }

    fn covers_path(&self, wanted: &str) -> bool {
        self.non_resource_urls.iter().any(|own| own == wanted || path_matches(own, wanted))
    }

    /// The rule as rules of one verb on one resource (and one name) or one path each.
    fn singles(&self) -> Vec<PolicyRule> {
        let mut singles = Vec::new();
        for verb in &self.verbs {
            for group in &self.api_groups {
                for resource in &self.resources {
                    let base = PolicyRule::on(&[verb], &[group], &[resource]);
                    if self.resource_names.is_empty() {
                        singles.push(base.clone());
                    }
                    let named = self
                        .resource_names
                        .iter()
                        .map(|name| Self { resource_names: vec![name.clone()], ..base.clone() });
                    singles.extend(named);
                }
            }
            let paths = self.non_resource_urls.iter().map(|path| Self {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![path.clone()],
                ..Self::default()
            });
            singles.extend(paths);
        }
        singles
    }
}

/// What of `wanted` is not given by `owned`, one verb and one thing a rule. Empty: all is covered.
pub fn uncovered(owned: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    let mut missing: Vec<PolicyRule> = wanted
        .iter()
        .flat_map(PolicyRule::singles)
        .filter(|single| !owned.iter().any(|rule| rule.covers_one(single)))
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserInfo;

    fn permits(rule: &PolicyRule, verb: &str, group: &str, resource: &str, sub: &str, name: &str) -> bool {
        let user = UserInfo::new("u", &[]);
        rule.permits(&Attributes::resource(&user, verb, group, resource).at("ns", name).subresource(sub))
    }

    #[test]
    fn a_subresource_is_a_resource_of_its_own() {
        let pods = PolicyRule::on(&["get"], &[""], &["pods"]);
        assert!(permits(&pods, "get", "", "pods", "", "x"));
        assert!(!permits(&pods, "get", "", "pods", "log", "x"));
        assert!(!permits(&pods, "get", "apps", "pods", "", "x"));
        let logs = PolicyRule::on(&["get"], &[""], &["*/log"]);
        assert!(permits(&logs, "get", "", "pods", "log", "x"));
        assert!(!permits(&logs, "get", "", "pods", "", "x"));
        assert!(permits(&PolicyRule::on(&["*"], &["*"], &["*"]), "patch", "apps", "deployments", "scale", "x"));
    }

    #[test]
    fn resource_names_never_match_a_request_without_a_name() {
        let rule = PolicyRule { resource_names: vec!["a".into()], ..PolicyRule::on(&["*"], &[""], &["configmaps"]) };
        assert!(permits(&rule, "get", "", "configmaps", "", "a"));
        for name in ["", "b"] {
            assert!(!permits(&rule, "list", "", "configmaps", "", name), "{name}");
        }
    }

    #[test]
    fn paths_match_exactly_or_below_a_star() {
        let user = UserInfo::new("u", &[]);
        let rule = PolicyRule {
            verbs: vec!["get".into()],
            non_resource_urls: vec!["/tree/*".into(), "/leaf".into()],
            ..PolicyRule::default()
        };
        let get = |path| rule.permits(&Attributes::path(&user, "get", path));
        assert!(get("/tree/a/b") && get("/leaf"));
        assert!(!get("/tree") && !get("/leaf/below"));
        assert!(!rule.permits(&Attributes::path(&user, "post", "/leaf")));
    }

    #[test]
    fn cover_is_counted_per_verb_and_thing() {
        let own =
            vec![PolicyRule::on(&["get"], &[""], &["pods"]), PolicyRule::on(&["list"], &[""], &["pods", "services"])];
        assert!(uncovered(&own, &[PolicyRule::on(&["get", "list"], &[""], &["pods"])]).is_empty());
        let missing = uncovered(&own, &[PolicyRule::on(&["get", "list"], &[""], &["pods", "services"])]);
        assert_eq!(missing, [PolicyRule::on(&["get"], &[""], &["services"])]);
        assert!(
            !uncovered(&own, &[PolicyRule::on(&["*"], &[""], &["pods"])]).is_empty(),
            "a star is more than its parts"
        );
        let named = PolicyRule { resource_names: vec!["a".into()], ..PolicyRule::on(&["get"], &[""], &["pods"]) };
        assert!(uncovered(&own, std::slice::from_ref(&named)).is_empty());
        assert!(!uncovered(&[named], &own[..1]).is_empty());
    }
}
