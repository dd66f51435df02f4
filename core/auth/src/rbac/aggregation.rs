//! Cluster roles that are made of others: `aggregationRule`.

use gantry_meta::{LabelSelector, Object, ObjectView, Value};

use super::{PolicyRule, store::rules_of};

/// Whether the role's rules are computed. Clients' own rules in such a role are overwritten.
pub fn is_aggregated(role: &Object) -> bool {
    role.get("aggregationRule").is_some_and(Value::is_object)
}

/// The rules that an aggregated role should have: those of all other roles that a selector matches, in name order, each once.
pub fn aggregated_rules<'a>(role: &Object, all: impl IntoIterator<Item = &'a Object>) -> Vec<PolicyRule> {
    let selectors = selectors_of(role);
    let mut matching: Vec<&Object> = all
        .into_iter()
        .filter(|other| other.name() != role.name() && selectors.iter().any(|s| s.matches(other.labels())))
        .collect();
    matching.sort_by(|a, b| a.name().cmp(b.name()));
    let mut rules = Vec::new();
    for rule in matching.into_iter().flat_map(rules_of) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

fn selectors_of(role: &Object) -> Vec<LabelSelector> {
    let selectors = role.get("aggregationRule").and_then(|rule| rule.get("clusterRoleSelectors"));
    let selectors = selectors.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    selectors.filter_map(|selector| LabelSelector::from_object(selector).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(name: &str, label: &str, resource: &str) -> Object {
        let value = json!({
            "metadata": {"name": name, "labels": {"to": label}},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}],
        });
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn an_aggregated_role_is_the_union_of_what_it_selects() {
        let mut sum = role("sum", "sum", "own");
        sum.insert("aggregationRule".into(), json!({"clusterRoleSelectors": [{"matchLabels": {"to": "sum"}}]}));
        let all = [
            role("b", "sum", "two"),
            role("a", "sum", "one"),
            role("c", "sum", "two"),
            role("d", "x", "no"),
            sum.clone(),
        ];
        let resources: Vec<String> = aggregated_rules(&sum, &all).into_iter().flat_map(|rule| rule.resources).collect();
        assert_eq!(resources, ["one", "two"]);
    }
}
