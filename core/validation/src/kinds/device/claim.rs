//! ResourceClaim and ResourceClaimTemplate.

use gantry_kinds::fields::resource_v1::{
    DeviceClaim, DeviceClaimConfiguration, DeviceConstraint, DeviceRequest, DeviceSubRequest, ResourceClaim,
    ResourceClaimSpec, ResourceClaimTemplate, ResourceClaimTemplateSpec as Spec,
};

use super::{configuration, qualified_name, selectors, set, slice, status, tolerations};
use crate::{
    field::{Causes, Field, Root},
    metadata, names,
    table::Update,
};

const REQUESTS_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const CONSTRAINTS_MAX: usize = 32;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    devices(&object.member(ResourceClaim::SPEC).member(ResourceClaimSpec::DEVICES), causes);
}

pub fn create_template(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(ResourceClaimTemplate::SPEC);
    metadata::template_meta(&spec.member(Spec::METADATA), causes);
    devices(&spec.member(Spec::SPEC).member(ResourceClaimSpec::DEVICES), causes);
}

/// Names of requests, each with those of its alternatives.
pub(super) struct Requests<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Requests<'a> {
    pub fn of(devices: &Field<'a>) -> Self {
        let alternatives = |request: &Field<'a>| {
            request
                .member(DeviceRequest::FIRST_AVAILABLE)
                .items()
                .map(|one| one.member(DeviceSubRequest::NAME).text())
                .collect::<Vec<_>>()
        };
        Self(
            devices
                .member(DeviceClaim::REQUESTS)
                .items()
                .map(|one| (one.member(DeviceRequest::NAME).text(), alternatives(&one)))
                .collect(),
        )
    }

    /// A reference is `request` or `request/alternative`.
    pub fn check_reference(&self, reference: &Field<'_>, causes: &mut Causes) {
        let mut parts = reference.text().split('/');
        let (request, alternative) = (parts.next().unwrap_or_default(), parts.next());
        if parts.next().is_none() {
            for part in std::iter::once(request).chain(alternative) {
                causes.invalid_each(reference, names::dns_label(part));
            }
            let own = self.0.iter().find(|(name, _)| *name == request);
            if own.is_some_and(|(_, others)| alternative.is_none_or(|name| others.contains(&name))) {
                return;
            }
        }
        causes.invalid(reference, "must be the name of a request in the claim or of a request and a subrequest");
    }
}

fn devices(devices: &Field<'_>, causes: &mut Causes) {
    let requests = Requests::of(devices);
    let name = |one: &Field<'_>| one.member(DeviceRequest::NAME).text().to_owned();
    set(&devices.member(DeviceClaim::REQUESTS), REQUESTS_MAX, causes, name, request);
    slice(&devices.member(DeviceClaim::CONSTRAINTS), CONSTRAINTS_MAX, causes, |one, causes| {
        constraint(one, &requests, causes)
    });
    slice(&devices.member(DeviceClaim::CONFIG), super::CONFIGS_MAX, causes, |config, causes| {
        references(&config.member(DeviceClaimConfiguration::REQUESTS), &requests, causes);
        configuration(config, causes);
    });
}

pub(super) fn references(list: &Field<'_>, requests: &Requests<'_>, causes: &mut Causes) {
    let check = |one: &Field<'_>, causes: &mut Causes| requests.check_reference(one, causes);
    set(list, REQUESTS_MAX, causes, |one| one.text().to_owned(), check);
}

/// Either exactly this, or the first that there is of several.
fn request(request: &Field<'_>, causes: &mut Causes) {
    label(&request.member(DeviceRequest::NAME), causes);
    let (exactly, alternatives) =
        (request.member(DeviceRequest::EXACTLY), request.member(DeviceRequest::FIRST_AVAILABLE));
    match (exactly.is_set(), !alternatives.is_empty()) {
        (false, false) => causes.required(request),
        (true, true) => causes.invalid(request, "exactly one of `exactly` or `firstAvailable` is required"),
        (true, false) => wanted(&exactly, causes),
        (false, true) => {
            let name = |one: &Field<'_>| one.member(DeviceSubRequest::NAME).text().to_owned();
            set(&alternatives, ALTERNATIVES_MAX, causes, name, |one, causes| {
                label(&one.member(DeviceSubRequest::NAME), causes);
                wanted(one, causes);
            });
        }
    }
}

fn label(name: &Field<'_>, causes: &mut Causes) {
    causes.invalid_each(name, names::dns_label(name.text()));
}

fn wanted(request: &Field<'_>, causes: &mut Causes) {
    let class = request.member(DeviceSubRequest::DEVICE_CLASS_NAME);
    if causes.require(&class) {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
    selectors(&request.member(DeviceSubRequest::SELECTORS), causes);
    let (mode, count) = (request.member(DeviceSubRequest::ALLOCATION_MODE), request.member(DeviceSubRequest::COUNT));
    match mode.text() {
        "All" if count.int().unwrap_or_default() != 0 => {
            causes.invalid(&count, "must not be specified when allocationMode is 'All'");
        }
        "All" => {}
        "ExactCount" if count.int().unwrap_or_default() <= 0 => causes.invalid(&count, "must be greater than zero"),
        "ExactCount" => {}
        _ => causes.not_supported(&mode, &["All", "ExactCount"]),
    }
    tolerations(&request.member(DeviceSubRequest::TOLERATIONS), causes);
}

fn constraint(constraint: &Field<'_>, requests: &Requests<'_>, causes: &mut Causes) {
    references(&constraint.member(DeviceConstraint::REQUESTS), requests, causes);
    let (same, distinct) =
        (constraint.member(DeviceConstraint::MATCH_ATTRIBUTE), constraint.member(DeviceConstraint::DISTINCT_ATTRIBUTE));
    match (same.is_set(), distinct.is_set()) {
        (true, _) => attribute(&same, causes),
        (false, true) => attribute(&distinct, causes),
        (false, false) => causes.required(constraint),
    }
}

/// An attribute is named in full.
fn attribute(name: &Field<'_>, causes: &mut Causes) {
    qualified_name(name.text(), name, causes);
    if !name.text().contains('/') {
        causes.invalid(name, "must include a domain");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some(_) => status::claim(update, causes),
        None => causes.immutable(&update.new.member(ResourceClaim::SPEC), &update.old.member(ResourceClaim::SPEC)),
    }
}

pub fn update_template(update: Update<'_>, causes: &mut Causes) {
    update.as_created(create_template, causes);
    causes.immutable(&update.new.member(ResourceClaim::SPEC), &update.old.member(ResourceClaim::SPEC));
}
