//! IngressClass.

use gantry_kinds::fields::networking_v1::{IngressClass, IngressClassParametersReference, IngressClassSpec};

use super::ingress::typed_reference;
use crate::{
    field::{Causes, Field, Root},
    names,
    rules::domain_prefixed_path,
    table::{Look, Update},
};

const CONTROLLER_MAX_BYTES: usize = 250;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(IngressClass::SPEC);
    let controller = spec.member(IngressClassSpec::CONTROLLER);
    if controller.text().len() > CONTROLLER_MAX_BYTES {
        causes.too_long(&controller, CONTROLLER_MAX_BYTES);
    }
    domain_prefixed_path(&controller, causes);
    parameters(&spec.member(IngressClassSpec::PARAMETERS), causes);
}

fn parameters(parameters: &Field<'_>, causes: &mut Causes) {
    if !parameters.is_set() {
        return;
    }
    typed_reference(parameters, causes);
    let (scope, namespace) = (
        parameters.member(IngressClassParametersReference::SCOPE),
        parameters.member(IngressClassParametersReference::NAMESPACE),
    );
    match scope.is_set() {
        true => causes.one_of(&scope, &["Cluster", "Namespace"]),
        false => causes.required(&scope),
    }
    match (scope.text(), namespace.is_set()) {
        ("Namespace", false) => causes.required(&namespace),
        ("Namespace", true) => causes.invalid_each(&namespace, names::dns_label(namespace.text())),
        ("Cluster", true) => causes.forbidden(&namespace, "parameters.scope is set to 'Cluster'"),
        _ => {}
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    update.look(Look::Changes, causes);
    let controller =
        |root: Root<'_>| root.member(IngressClass::SPEC).member(IngressClassSpec::CONTROLLER).value().cloned();
    if controller(update.new) != controller(update.old) {
        causes
            .invalid(&update.new.member(IngressClass::SPEC).member(IngressClassSpec::CONTROLLER), "field is immutable");
    }
    update.look(Look::Whole, causes);
    create(update.new, causes);
}
