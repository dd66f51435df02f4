//! Rules that several kinds share.

pub mod net;
pub mod numbers;
pub mod paths;
pub mod resources;
pub mod schema;
pub mod selector;

use crate::{
    field::{Causes, Field},
    names,
};

/// `example.com/some/path`: a domain and a path.
pub fn domain_prefixed_path(field: &Field<'_>, causes: &mut Causes) {
    if !causes.require(field) {
        return;
    }
    let Some((domain, path)) =
        field.text().split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        return causes.invalid(field, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    causes.invalid_each(field, names::dns_subdomain(domain));
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
        causes.invalid(field, "a valid path must consist of characters that URLs allow");
    }
}
