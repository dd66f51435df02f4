//! CustomResourceDefinition.
//!
//! What all versions have alike is reported as if it stood once, at the top of `spec`: that is the form in which the
//! reference checks definitions.

mod cost;
mod defaults;
mod expressions;
mod list_types;
mod names;
mod schema;
mod structural;
mod versions;

use crate::{
    field::{Causes, Field, Root},
    names::{dns_1035_label, dns_subdomain},
    rules::client_config,
    table::Update,
};

const REVIEWS: [&str; 2] = ["v1", "v1beta1"];
const APPROVAL: &str = "api-approved.kubernetes.io";

pub fn create(object: Root<'_>, causes: &mut Causes) {
    qualified_name(object, causes);
    spec(object, causes);
    names::names(&object.member("status").member("acceptedNames"), causes);
    stored_versions(object, causes);
    approval(object, causes);
    preserved_fields(object, causes);
}

/// A definition is named after what it defines.
fn qualified_name(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let expected = format!("{}.{}", spec.member("names").member("plural").text(), spec.member("group").text());
    if object.name() != expected {
        causes.invalid(&object.member("metadata").member("name"), "must be spec.names.plural+\".\"+spec.group");
    }
}

fn spec(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let group = spec.member("group");
    if causes.require(&group) {
        if !dns_subdomain(group.text()).is_empty() {
            causes.invalid(&group, "must be a domain name");
        } else if !group.text().contains('.') {
            causes.invalid(&group, "should be a domain with at least one dot");
        }
    }
    causes.require_one_of(&spec.member("scope"), &["Cluster", "Namespaced"]);
    let preserve = spec.member("preserveUnknownFields");
    if preserve.flag() && versions::have_defaults(&spec) {
        causes.invalid(&preserve, "must be false in order to use defaults in the schema");
    }
    versions::versions(&spec, causes);
    names::required(&spec.member("names"), causes);
    names::names(&spec.member("names"), causes);
    versions::alike(&spec, causes);
    conversion(&spec.member("conversion"), preserve.flag(), causes);
}

fn conversion(conversion: &Field<'_>, preserves: bool, causes: &mut Causes) {
    if !conversion.is_set() {
        return;
    }
    let strategy = conversion.member("strategy");
    causes.require_one_of(&strategy, &["None", "Webhook"]);
    let webhook = conversion.member("webhook");
    let config = webhook.member("clientConfig").reported_at(&conversion.member("webhookClientConfig"));
    let reviews =
        webhook.member("conversionReviewVersions").reported_at(&conversion.member("conversionReviewVersions"));
    if strategy.text() != "Webhook" {
        let given = [(&config, config.is_set()), (&reviews, !reviews.is_empty())];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            causes.forbidden(field, "should not be set when strategy is not set to Webhook");
        }
        return;
    }
    if preserves {
        causes.invalid(&strategy, "must be None if spec.preserveUnknownFields is true");
    }
    if config.is_set() {
        client_config::client_config(&config, causes);
    } else {
        causes.required(&config);
    }
    review_versions(&reviews, causes);
}

fn review_versions(versions: &Field<'_>, causes: &mut Causes) {
    if !causes.require(versions) {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in versions.items() {
        if seen.contains(&version.text()) {
            causes.invalid(&version, "duplicate version");
        } else {
            causes.invalid_each(&version, dns_1035_label(version.text()));
            seen.push(version.text());
        }
    }
    if !seen.iter().any(|version| REVIEWS.contains(version)) {
        causes.invalid(versions, "must include at least one of v1, v1beta1");
    }
}

/// Objects may be stored in any version that was ever marked `storage`.
fn stored_versions(object: Root<'_>, causes: &mut Causes) {
    let stored = object.member("status").member("storedVersions");
    let versions = object.member("spec").member("versions");
    if stored.is_empty() {
        return causes.invalid(&stored, "must have at least one stored version");
    }
    let is_stored = |name: &str| stored.items().any(|one| one.text() == name);
    for version in versions.items().filter(|version| version.member("storage").flag()) {
        if !is_stored(version.member("name").text()) {
            causes.invalid(&stored, "must have the storage version");
        }
    }
    for one in stored.items() {
        if !versions.items().any(|version| version.member("name").text() == one.text()) {
            causes.invalid(&one, "missing from spec.versions, though objects may be stored in it");
        }
    }
}

/// Groups of the community carry the approval of their review.
fn approval(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let group = spec.member("group").text();
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    if !protected {
        return;
    }
    let annotation = object.member("metadata").member("annotations").entry(APPROVAL);
    match annotation.text() {
        "" => causes.required(&annotation),
        text if text.starts_with("unapproved") || text.starts_with("https://") || text.starts_with("http://") => {}
        _ => causes.invalid(&annotation, "must be a URL of the approval, or begin with 'unapproved'"),
    }
}

fn preserved_fields(object: Root<'_>, causes: &mut Causes) {
    let preserve = object.member("spec").member("preserveUnknownFields");
    if preserve.flag() {
        causes.invalid(&preserve, "cannot set to true, use x-kubernetes-preserve-unknown-fields in the schema instead");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_some() {
        return names::names(&update.new.member("status").member("acceptedNames"), causes);
    }
    spec(update.new, causes);
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    let (new_names, old_names) = (new.member("names"), old.member("names"));
    if is_established(update.old) {
        causes.immutable(&new.member("scope"), &old.member("scope"));
        causes.immutable(&new_names.member("kind"), &old_names.member("kind"));
    }
    causes.immutable(&new.member("group"), &old.member("group"));
    causes.immutable(&new_names.member("plural"), &old_names.member("plural"));
    names::names(&update.new.member("status").member("acceptedNames"), causes);
    stored_versions(update.new, causes);
    let annotation = |root: Root<'_>| root.member("metadata").member("annotations").entry(APPROVAL).text().to_owned();
    if annotation(update.new) != annotation(update.old) {
        approval(update.new, causes);
    }
    if !old.member("preserveUnknownFields").flag() {
        preserved_fields(update.new, causes);
    }
}

fn is_established(object: Root<'_>) -> bool {
    object.member("status").member("conditions").items().any(|condition| {
        condition.member("type").text() == "Established" && condition.member("status").text() == "True"
    })
}
