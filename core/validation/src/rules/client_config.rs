//! How a webhook is reached: by URL, or as a service.

use super::numbers;
use crate::{
    field::{Causes, Field},
    names,
};

/// Exactly one of `url` and `service`.
pub fn client_config(config: &Field<'_>, causes: &mut Causes) {
    let (url, service) = (config.member("url"), config.member("service"));
    match (url.is_set(), service.is_set()) {
        (true, false) => self::url(&url, causes),
        (false, true) => self::service(&service, causes),
        _ => causes.required(config),
    }
}

/// An https URL of host and path.
pub fn url(url: &Field<'_>, causes: &mut Causes) {
    let (scheme, rest) = url.text().split_once("://").unwrap_or(("", url.text()));
    if scheme != "https" {
        causes.invalid(url, "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
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

/// Name, namespace, port and path of a service.
pub fn service(service: &Field<'_>, causes: &mut Causes) {
    causes.require(&service.member("name"));
    causes.require(&service.member("namespace"));
    numbers::port(&service.member("port"), causes);
    path(&service.member("path"), causes);
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
