//! Label selectors in objects.

use gantry_kinds::fields::meta_v1::{LabelSelector as LabelSelectorFields, LabelSelectorRequirement};
use gantry_meta::{LabelSelector, Object};

use crate::{
    field::{Causes, Field},
    metadata, names,
    ratchet::Ratchet,
};

/// `matchLabels` and `matchExpressions`.
pub fn label_selector(selector: &Field<'_>, causes: &mut Causes) {
    metadata::labels(&selector.member(LabelSelectorFields::MATCH_LABELS), causes);
    for requirement in selector.member(LabelSelectorFields::MATCH_EXPRESSIONS).items() {
        self::requirement(&requirement, causes);
    }
}

fn requirement(requirement: &Field<'_>, causes: &mut Causes) {
    let (key, operator, values) = (
        requirement.member(LabelSelectorRequirement::KEY),
        requirement.member(LabelSelectorRequirement::OPERATOR),
        requirement.member(LabelSelectorRequirement::VALUES),
    );
    match operator.text() {
        "In" | "NotIn" => {
            if values.is_empty() {
                causes.required(&values);
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                causes.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        _ => causes.invalid(&operator, "not a valid selector operator"),
    }
    causes.invalid_each(&key, names::qualified_name(key.text()));
    causes.ratcheted(Ratchet::SelectorValue, |causes| {
        for value in values.items() {
            causes.invalid_each(&value, names::label_value(value.text()));
        }
    });
}

/// True if the selector selects nothing in particular.
pub fn is_empty(selector: &Field<'_>) -> bool {
    selector.member(LabelSelectorFields::MATCH_LABELS).is_empty()
        && selector.member(LabelSelectorFields::MATCH_EXPRESSIONS).is_empty()
}

/// The selector, an absent one selecting nothing (`Ok(None)`).
///
/// # Errors
/// It has parts that cannot select.
pub fn parse(selector: &Field<'_>) -> Result<Option<LabelSelector>, BrokenSelector> {
    let Some(object) = selector.object() else { return Ok(None) };
    let mut causes = Causes::default();
    label_selector(selector, &mut causes);
    match LabelSelector::from_object(object) {
        Ok(parsed) if causes.is_empty() => Ok(Some(parsed)),
        _ => Err(BrokenSelector),
    }
}

/// The selector has parts that cannot select.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokenSelector;

/// True if an absent selector or one that does not match forbids these labels: an empty selector matches all.
pub fn misses(selector: Option<&LabelSelector>, labels: Option<&Object>) -> bool {
    selector.is_none_or(|selector| !selector.matches(labels))
}
