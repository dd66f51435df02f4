//! Ingress.

use gantry_kinds::fields::{
    meta_v1::ObjectMeta,
    networking_v1::{
        HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressClassParametersReference,
        IngressLoadBalancerIngress, IngressLoadBalancerStatus as Status, IngressRule, IngressServiceBackend,
        IngressSpec, IngressStatus, IngressTLS, ServiceBackendPort,
    },
};

use crate::{
    field::{Causes, Field, Root},
    names,
    ratchet::Ratchet,
    rules::{net, numbers},
    table::Update,
};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// What a path that is compared step by step may not contain, and not end with.
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_SUFFIXES: [&str; 2] = ["/..", "/."];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let class = object.member(Ingress::METADATA).member(ObjectMeta::ANNOTATIONS).untyped_member(CLASS_ANNOTATION);
    let named = object.member(Ingress::SPEC).member(IngressSpec::INGRESS_CLASS_NAME);
    if class.is_set() && named.is_set() && class.text() != named.text() {
        let place = object.member(ObjectMeta::ANNOTATIONS).untyped_member(CLASS_ANNOTATION);
        causes.invalid(&class.reported_at(&place), "must match `ingressClassName` when both are specified");
    }
    spec(&object.member(Ingress::SPEC), causes);
}

fn spec(spec: &Field<'_>, causes: &mut Causes) {
    let (default, rules) = (spec.member(IngressSpec::DEFAULT_BACKEND), spec.member(IngressSpec::RULES));
    if rules.is_empty() && !default.is_set() {
        causes.invalid(spec, "either `defaultBackend` or `rules` must be specified");
    }
    if default.is_set() {
        backend(&default, causes);
    }
    for rule in rules.items() {
        let host = rule.member(IngressRule::HOST);
        if !host.is_empty() {
            host_name(&host, true, causes);
        }
        let rule = rule.member(IngressRule::HTTP);
        match host.text().contains('*') {
            true => causes.ratcheted(Ratchet::WildcardHost, |causes| http(&rule, causes)),
            false => http(&rule, causes),
        }
    }
    for entry in spec.member(IngressSpec::TLS).items() {
        entry.member(IngressTLS::HOSTS).items().for_each(|host| host_name(&host, false, causes));
        let secret = entry.member(IngressTLS::SECRET_NAME);
        if !secret.is_empty() {
            causes.ratcheted(Ratchet::IngressSecret, |causes| {
                causes.invalid_each(&secret, names::dns_subdomain(secret.text()));
            });
        }
    }
    let class = spec.member(IngressSpec::INGRESS_CLASS_NAME);
    if class.is_set() {
        causes.invalid_each(&class, names::dns_subdomain(class.text()));
    }
}

fn host_name(host: &Field<'_>, no_address: bool, causes: &mut Causes) {
    if no_address && net::is_address_somehow(host.text()) {
        causes.invalid(host, "must be a DNS name, not an IP address");
    }
    let reasons = match host.text().contains('*') {
        true => names::wildcard_dns_subdomain(host.text()),
        false => names::dns_subdomain(host.text()),
    };
    causes.invalid_each(host, reasons);
}

fn http(http: &Field<'_>, causes: &mut Causes) {
    if !http.is_set() {
        return;
    }
    let paths = http.member(HTTPIngressRuleValue::PATHS);
    causes.require(&paths);
    paths.items().for_each(|one| path(&one, causes));
}

fn path(entry: &Field<'_>, causes: &mut Causes) {
    let (kind, path) = (entry.member(HTTPIngressPath::PATH_TYPE), entry.member(HTTPIngressPath::PATH));
    if !kind.is_set() {
        return causes.required(&kind);
    }
    match kind.text() {
        "Exact" | "Prefix" => absolute(&path, causes),
        "ImplementationSpecific" => {
            if !path.is_empty() && !path.text().starts_with('/') {
                causes.invalid(&path, "must be an absolute path");
            }
        }
        _ => causes.not_supported(&kind, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&entry.member(HTTPIngressPath::BACKEND), causes);
}

fn absolute(path: &Field<'_>, causes: &mut Causes) {
    let text = path.text();
    if !text.starts_with('/') {
        causes.invalid(path, "must be an absolute path");
    }
    for _ in BAD_SEQUENCES.iter().filter(|bad| text.contains(**bad)) {
        causes.invalid(path, "must not contain empty or relative steps");
    }
    for _ in BAD_SUFFIXES.iter().filter(|bad| text.ends_with(**bad)) {
        causes.invalid(path, "must not end with a relative step");
    }
}

fn backend(backend: &Field<'_>, causes: &mut Causes) {
    let (resource, service) = (backend.member(IngressBackend::RESOURCE), backend.member(IngressBackend::SERVICE));
    match (resource.is_set(), service.is_set()) {
        (true, true) => causes.invalid(backend, "cannot set both resource and service backends"),
        (true, false) => typed_reference(&resource, causes),
        (false, true) => service_backend(backend, &service, causes),
        (false, false) => causes.invalid(backend, "resource or service backend is required"),
    }
}

/// A group, a kind and a name, as yet of nothing that is known here.
pub(super) fn typed_reference(reference: &Field<'_>, causes: &mut Causes) {
    let group = reference.member(IngressClassParametersReference::API_GROUP);
    if group.is_set() {
        causes.invalid_each(&group, names::dns_subdomain(group.text()));
    }
    for member in [IngressClassParametersReference::KIND, IngressClassParametersReference::NAME] {
        let field = reference.member(member);
        if causes.require(&field) {
            causes.invalid_each(&field, names::path_segment(field.text()));
        }
    }
}

fn service_backend(backend: &Field<'_>, service: &Field<'_>, causes: &mut Causes) {
    let (name, port) = (service.member(IngressServiceBackend::NAME), service.member(IngressServiceBackend::PORT));
    if causes.require(&name) {
        causes.invalid_each(&name, names::dns_label(name.text()));
    }
    let (port_name, number) = (port.member(ServiceBackendPort::NAME), port.member(ServiceBackendPort::NUMBER));
    match (!port_name.is_empty(), number.int().is_some_and(|n| n != 0)) {
        (true, true) => causes.invalid(backend, "cannot set both port name & port number"),
        (true, false) => causes.invalid_each(&port_name, names::port_name(port_name.text())),
        (false, true) => numbers::port(&number, causes),
        (false, false) => causes.required(backend),
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    match update.subresource {
        Some("status") => {
            load_balancer_points(&update.new.member(Ingress::STATUS).member(IngressStatus::LOAD_BALANCER), causes)
        }
        _ => spec(&update.new.member(Ingress::SPEC), causes),
    }
}

/// Where a load balancer listens: an address, a name.
fn load_balancer_points(status: &Field<'_>, causes: &mut Causes) {
    for point in status.member(Status::INGRESS).items() {
        let (ip, hostname) =
            (point.member(IngressLoadBalancerIngress::IP), point.member(IngressLoadBalancerIngress::HOSTNAME));
        if !ip.is_empty() {
            causes.ratcheted(Ratchet::Value, |causes| _ = net::ip(&ip, causes));
        }
        if !hostname.is_empty() {
            causes.invalid_each(&hostname, names::dns_subdomain(hostname.text()));
            if net::is_address_somehow(hostname.text()) {
                causes.invalid(&hostname, "must be a DNS name, not an IP address");
            }
        }
    }
}
