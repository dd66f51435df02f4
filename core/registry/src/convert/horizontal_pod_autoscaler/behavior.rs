//! `spec.behavior` in its annotation, whose members begin with a capital and are all written.

use gantry_kinds::{
    FieldName, Members as _,
    fields::autoscaling_v2::{HPAScalingPolicy as Policy, HPAScalingRules as Rules, HorizontalPodAutoscalerBehavior},
};
use gantry_meta::{Object, Value};

use super::text::{self, Form, Text, any_case};

/// A member's name in the annotation, and in the specification.
type Member = (&'static str, FieldName);

const DIRECTIONS: [Member; 2] = [
    ("ScaleUp", HorizontalPodAutoscalerBehavior::SCALE_UP),
    ("ScaleDown", HorizontalPodAutoscalerBehavior::SCALE_DOWN),
];
const POLICY: [Member; 3] =
    [("Type", Policy::TYPE), ("Value", Policy::VALUE), ("PeriodSeconds", Policy::PERIOD_SECONDS)];
const POLICIES: Member = ("Policies", Rules::POLICIES);
const BEFORE_POLICIES: [Member; 2] =
    [("StabilizationWindowSeconds", Rules::STABILIZATION_WINDOW_SECONDS), ("SelectPolicy", Rules::SELECT_POLICY)];
const TOLERANCE: Member = ("Tolerance", Rules::TOLERANCE);

pub(super) fn written(behavior: &Value) -> String {
    let mut text = Text::default();
    for (name, member) in DIRECTIONS {
        let rules = behavior.as_object().and_then(|behavior| behavior.object(member));
        text.raw(name, &rules.map_or_else(|| "null".to_owned(), rules_written));
    }
    text.finish()
}

fn rules_written(rules: &Object) -> String {
    let mut text = Text::default();
    members(&mut text, rules, &BEFORE_POLICIES);
    let policy = |policy: &Object| {
        let mut text = Text::default();
        members(&mut text, policy, &POLICY);
        text.finish()
    };
    let policies = rules.has(POLICIES.1).then(|| text::list(rules.objects(POLICIES.1).map(policy)));
    text.raw(POLICIES.0, &policies.unwrap_or_else(|| "null".to_owned()));
    members(&mut text, rules, &[TOLERANCE]);
    text.finish()
}

fn members(text: &mut Text, from: &Object, names: &[Member]) {
    for (name, member) in names {
        text.member(name, from.member(*member).unwrap_or(&Value::Null), Form::Plain);
    }
}

/// What an annotation says; `None` if it says nothing.
pub(super) fn read(annotation: &Value) -> Option<Value> {
    let annotation = annotation.as_object()?;
    let mut behavior = Object::new();
    for (_, member) in DIRECTIONS {
        if let Some(rules) = any_case(annotation, member).and_then(Value::as_object) {
            behavior.set(member, rules_read(rules));
        }
    }
    (!behavior.is_empty()).then_some(Value::Object(behavior))
}

fn rules_read(annotation: &Object) -> Object {
    let mut rules = taken(annotation, BEFORE_POLICIES.iter().chain([&TOLERANCE]));
    if let Some(policies) = any_case(annotation, POLICIES.1).and_then(Value::as_array) {
        let policies = policies.iter().filter_map(Value::as_object).map(|policy| taken(policy, POLICY.iter()));
        rules.set(POLICIES.1, policies.map(Value::from).collect::<Vec<_>>());
    }
    rules
}

fn taken<'a>(from: &Object, names: impl Iterator<Item = &'a Member>) -> Object {
    let mut taken = Object::new();
    for (_, member) in names {
        if let Some(value) = any_case(from, *member) {
            taken.set(*member, value.clone());
        }
    }
    taken
}
