//! DNS configuration and host aliases.

use gantry_kinds::fields::core_v1::{HostAlias, PodDNSConfig, PodDNSConfigOption, PodSpec};

use crate::{
    field::{Causes, Field},
    names,
    rules::net,
};

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCHES_MAX_BYTES: usize = 2048;

pub(super) fn dns_config(spec: &Field<'_>, causes: &mut Causes) {
    let config = spec.member(PodSpec::DNS_CONFIG);
    let (servers, searches) = (config.member(PodDNSConfig::NAMESERVERS), config.member(PodDNSConfig::SEARCHES));
    if spec.member(PodSpec::DNS_POLICY).text() == "None" {
        if !config.is_set() {
            return causes.required(&config);
        }
        if servers.is_empty() {
            return causes.required(&servers);
        }
    }
    if servers.len() > NAMESERVERS_MAX {
        causes.invalid(&servers, "must not have more than 3 nameservers");
    }
    servers.items().for_each(|server| {
        net::ip(&server, causes);
    });
    let bytes: usize = searches.items().map(|s| s.text().len() + 1).sum();
    if searches.len() > SEARCHES_MAX {
        causes.invalid(&searches, "must not have more than 32 search paths");
    }
    if bytes > SEARCHES_MAX_BYTES + 1 {
        causes.invalid(&searches, "must not have more than 2048 characters (including spaces) in the search list");
    }
    searches.items().for_each(|domain| search(&domain, causes));
    for option in config.member(PodDNSConfig::OPTIONS).items() {
        if option.member(PodDNSConfigOption::NAME).is_empty() {
            causes.required(&option);
        }
    }
}

/// A search domain may be the root, end with a dot, and have underscores.
fn search(domain: &Field<'_>, causes: &mut Causes) {
    let text = domain.text();
    if text != "." {
        let name = text.strip_suffix('.').unwrap_or(text).replace('_', "x");
        causes.invalid_each(domain, names::dns_subdomain(&name));
    }
}

pub(super) fn host_aliases(aliases: &Field<'_>, causes: &mut Causes) {
    for alias in aliases.items() {
        net::ip(&alias.member(HostAlias::IP), causes);
        for name in alias.member(HostAlias::HOSTNAMES).items() {
            causes.invalid_each(&name, names::dns_subdomain(name.text()));
        }
    }
}
