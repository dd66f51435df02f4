//! APIService.

use gantry_kinds::fields::apiregistration_v1::{APIService, APIServiceSpec, APIServiceStatus, ServiceReference};

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::numbers,
    table::Update,
};

const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(APIService::SPEC);
    let (group, version) = (spec.member(APIServiceSpec::GROUP), spec.member(APIServiceSpec::VERSION));
    if group.is_empty() && version.text() != "v1" {
        causes.required(&group);
    }
    if !group.is_empty() {
        causes.invalid_each(&group, names::dns_subdomain(group.text()));
    }
    causes.invalid_each(&version, names::dns_1035_label(version.text()));
    between(&spec.member(APIServiceSpec::GROUP_PRIORITY_MINIMUM), GROUP_PRIORITY_MAX, causes);
    between(&spec.member(APIServiceSpec::VERSION_PRIORITY), VERSION_PRIORITY_MAX, causes);
    backend(&spec, causes);
}

fn between(field: &Field<'_>, max: i64, causes: &mut Causes) {
    if !(1..=max).contains(&field.int().unwrap_or_default()) {
        causes.invalid(field, "is out of range");
    }
}

/// Served here, or by a service that is trusted somehow.
fn backend(spec: &Field<'_>, causes: &mut Causes) {
    let (service, skip, bundle) = (
        spec.member(APIServiceSpec::SERVICE),
        spec.member(APIServiceSpec::INSECURE_SKIP_TLS_VERIFY),
        spec.member(APIServiceSpec::CA_BUNDLE),
    );
    if !service.is_set() {
        if !bundle.is_empty() {
            causes.invalid(&bundle, "local APIServices may not have a caBundle");
        }
        if skip.flag() {
            causes.invalid(&skip, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    }
    causes.require(&service.member(ServiceReference::NAMESPACE));
    causes.require(&service.member(ServiceReference::NAME));
    if service.member(ServiceReference::PORT).is_set() {
        numbers::port(&service.member(ServiceReference::PORT), causes);
    }
    if skip.flag() && !bundle.is_empty() {
        causes.invalid(&skip, "may not be true if caBundle is present");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_none() {
        return create(update.new, causes);
    }
    for condition in update.new.member(APIService::STATUS).member(APIServiceStatus::CONDITIONS).items() {
        causes.one_of(&condition.member(APIService::STATUS), &["True", "False", "Unknown"]);
    }
}
