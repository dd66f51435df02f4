//! What a custom resource is called.

use gantry_kinds::fields::apiextensions_v1::CustomResourceDefinitionNames;

use crate::{
    field::{Causes, Field},
    names::dns_1035_label,
};

/// Names that a specification has to give.
pub(super) fn required(names: &Field<'_>, causes: &mut Causes) {
    for member in [
        CustomResourceDefinitionNames::PLURAL,
        CustomResourceDefinitionNames::SINGULAR,
        CustomResourceDefinitionNames::KIND,
        CustomResourceDefinitionNames::LIST_KIND,
    ] {
        causes.require(&names.member(member));
    }
}

pub(super) fn names(names: &Field<'_>, causes: &mut Causes) {
    for member in [CustomResourceDefinitionNames::PLURAL, CustomResourceDefinitionNames::SINGULAR] {
        label(&names.member(member), names.member(member).text(), causes);
    }
    for member in [CustomResourceDefinitionNames::KIND, CustomResourceDefinitionNames::LIST_KIND] {
        label(&names.member(member), &names.member(member).text().to_lowercase(), causes);
    }
    names.member(CustomResourceDefinitionNames::SHORT_NAMES).items().for_each(|one| item(&one, causes));
    let list = names.member(CustomResourceDefinitionNames::LIST_KIND);
    if !list.is_empty() && names.member(CustomResourceDefinitionNames::KIND).text() == list.text() {
        causes.invalid(&list, "kind and listKind may not be the same");
    }
    names.member(CustomResourceDefinitionNames::CATEGORIES).items().for_each(|one| item(&one, causes));
}

fn label(field: &Field<'_>, text: &str, causes: &mut Causes) {
    if !text.is_empty() && !dns_1035_label(text).is_empty() {
        causes.invalid(field, "must be a DNS label that starts with a letter");
    }
}

fn item(field: &Field<'_>, causes: &mut Causes) {
    if !dns_1035_label(field.text()).is_empty() {
        causes.invalid(field, "must be a DNS label that starts with a letter");
    }
}
