//! `spec.behavior` in its annotation, whose members begin with a capital and are all written.

use gantry_meta::{Object, Value};
use serde_json::json;

use super::text::{self, Form, Text, any_case};

const DIRECTIONS: [(&str, &str); 2] = [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")];
const POLICY: [(&str, &str); 3] = [("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds")];
const POLICIES: (&str, &str) = ("Policies", "policies");
const BEFORE_POLICIES: [(&str, &str); 2] =
    [("StabilizationWindowSeconds", "stabilizationWindowSeconds"), ("SelectPolicy", "selectPolicy")];
const TOLERANCE: (&str, &str) = ("Tolerance", "tolerance");

pub(super) fn written(behavior: &Value) -> String {
    let mut text = Text::default();
    for (name, member) in DIRECTIONS {
        let rules = behavior.get(member).filter(|rules| !rules.is_null());
        text.raw(name, &rules.map_or_else(|| "null".to_owned(), rules_written));
    }
    text.finish()
}

fn rules_written(rules: &Value) -> String {
    let mut text = Text::default();
    members(&mut text, rules, &BEFORE_POLICIES);
    let policies = rules.get(POLICIES.1).and_then(Value::as_array);
    let policy = |policy: &Value| {
        let mut text = Text::default();
        members(&mut text, policy, &POLICY);
        text.finish()
    };
    let policies = policies.map(|policies| text::list(policies.iter().map(policy)));
    text.raw(POLICIES.0, &policies.unwrap_or_else(|| "null".to_owned()));
    members(&mut text, rules, &[TOLERANCE]);
    text.finish()
}

fn members(text: &mut Text, from: &Value, names: &[(&str, &str)]) {
    names.iter().for_each(|(name, member)| text.member(name, from.get(member).unwrap_or(&Value::Null), Form::Plain));
}

/// What an annotation says; `None` if it says nothing.
pub(super) fn read(annotation: &Value) -> Option<Value> {
    let annotation = annotation.as_object()?;
    let rules = |rules: &Value| rules.as_object().map(rules_read);
    let behavior =
        DIRECTIONS.iter().filter_map(|(_, member)| Some(((*member).to_owned(), rules(any_case(annotation, member)?)?)));
    let behavior: Object = behavior.collect();
    (!behavior.is_empty()).then_some(Value::Object(behavior))
}

fn rules_read(annotation: &Object) -> Value {
    let mut rules = taken(annotation, BEFORE_POLICIES.iter().chain([&TOLERANCE]));
    if let Some(policies) = any_case(annotation, POLICIES.1).and_then(Value::as_array) {
        let policies = policies.iter().filter_map(Value::as_object).map(|policy| taken(policy, POLICY.iter()));
        rules[POLICIES.1] = policies.collect();
    }
    rules
}

fn taken<'a>(from: &Object, names: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Value {
    let mut taken = json!({});
    for (_, member) in names {
        if let Some(value) = any_case(from, member) {
            taken[*member] = value.clone();
        }
    }
    taken
}
