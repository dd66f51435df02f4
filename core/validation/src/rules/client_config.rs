//! How a webhook is reached: by URL, or as a service.

use std::net::Ipv6Addr;

use gantry_kinds::fields::apiextensions_v1::{ServiceReference, WebhookClientConfig};

use super::numbers;
use crate::{
    field::{Causes, Field},
    names,
};

/// Exactly one of `url` and `service`.
pub fn client_config(config: &Field<'_>, causes: &mut Causes) {
    let (url, service) = (config.member(WebhookClientConfig::URL), config.member(WebhookClientConfig::SERVICE));
    match (url.is_set(), service.is_set()) {
        (true, false) => self::url(&url, causes),
        (false, true) => self::service(&service, causes),
        _ => causes.required(config),
    }
}

/// An https URL of host and path.
pub fn url(url: &Field<'_>, causes: &mut Causes) {
    let Some((scheme, rest)) = split(url.text()) else { return causes.required(url) };
    if scheme != "https" {
        causes.invalid(url, "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() {
        causes.invalid(url, "host must be specified; desired format: https://host[/path]");
    }
    if user.is_some() {
        causes.invalid(url, "user information is not permitted in the URL; desired format: https://host[/path]");
    }
    let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
    if !fragment.is_empty() {
        causes.invalid(url, "fragments are not permitted in the URL; desired format: https://host[/path]");
    }
    if path.split_once('?').is_some_and(|(_, query)| !query.is_empty()) {
        causes.invalid(url, "query parameters are not permitted in the URL; desired format: https://host[/path]");
    }
}

/// The scheme of a URL, lower case, and what follows its colon. `None`: it is no URL.
fn split(url: &str) -> Option<(String, &str)> {
    let printable = !url.bytes().any(|b| b.is_ascii_control());
    let (scheme, rest) = match url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)) {
        Some(0) if url.starts_with(':') => return None,
        Some(at) if url[at..].starts_with(':') && url.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (url[..at].to_lowercase(), &url[at + 1..])
        }
        // A colon in the first step of a path without a scheme.
        _ if !url.starts_with('/') && url.split('/').next().is_some_and(|step| step.contains(':')) => return None,
        _ => (String::new(), url),
    };
    (printable && escapes_are_sound(rest) && authority_is_sound(rest)).then_some((scheme, rest))
}

/// The part between `//` and the path: what RFC 3986 lets names, addresses and ports consist of.
fn authority_is_sound(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("//") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let of_user = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    user.bytes().all(of_user) && host_is_sound(host)
}

/// A name, or an address of IPv6 in brackets, and a port.
fn host_is_sound(host: &str) -> bool {
    let is_port = |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
        let address = address.split("%25").next().unwrap_or_default();
        return is_port(port) && address.parse::<Ipv6Addr>().is_ok();
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    !name.contains(|c: char| c == ' ' || "[\\^`{|}".contains(c)) && is_port(port)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Each `%` is followed by two hexadecimal digits.
fn escapes_are_sound(text: &str) -> bool {
    let mut after = text.split('%');
    after.next();
    after.all(|part| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

/// Name, namespace, port and path of a service. The reference takes one for the other: a missing name is reported at
/// `namespace`, a missing namespace at `name`.
pub fn service(service: &Field<'_>, causes: &mut Causes) {
    for (member, other) in
        [(ServiceReference::NAMESPACE, ServiceReference::NAME), (ServiceReference::NAME, ServiceReference::NAMESPACE)]
    {
        if service.member(member).is_empty() {
            causes.required(&service.member(other));
        }
    }
    numbers::port(&service.member(ServiceReference::PORT), causes);
    path(&service.member(ServiceReference::PATH), causes);
}

fn path(path: &Field<'_>, causes: &mut Causes) {
    let text = path.text();
    if matches!(text, "" | "/") {
        return;
    }
    if text == "//" {
        return causes.invalid(path, "segment[0] may not be empty");
    }
    if !text.starts_with('/') {
        causes.invalid(path, "must start with a '/'");
    }
    let steps = text.get(1..).unwrap_or_default();
    for step in steps.strip_suffix('/').unwrap_or(steps).split('/') {
        if step.is_empty() {
            causes.invalid(path, "segments may not be empty");
        } else {
            causes.invalid_each(path, names::dns_subdomain(step));
        }
    }
}
