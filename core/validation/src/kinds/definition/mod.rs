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

use gantry_kinds::fields::{
    apiextensions_v1::{
        CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionCondition,
        CustomResourceDefinitionNames, CustomResourceDefinitionSpec as Spec, CustomResourceDefinitionStatus as Status,
        CustomResourceDefinitionVersion, WebhookConversion,
    },
    meta_v1::ObjectMeta,
};

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
    names::names(&object.member(CustomResourceDefinition::STATUS).member(Status::ACCEPTED_NAMES), causes);
    stored_versions(object, causes);
    approval(object, causes);
    preserved_fields(object, causes);
}

/// A definition is named after what it defines.
fn qualified_name(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(CustomResourceDefinition::SPEC);
    let expected = format!(
        "{}.{}",
        spec.member(Spec::NAMES).member(CustomResourceDefinitionNames::PLURAL).text(),
        spec.member(Spec::GROUP).text()
    );
    if object.name() != expected {
        causes.invalid(
            &object.member(CustomResourceDefinition::METADATA).member(ObjectMeta::NAME),
            "must be spec.names.plural+\".\"+spec.group",
        );
    }
}

fn spec(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(CustomResourceDefinition::SPEC);
    let group = spec.member(Spec::GROUP);
    if causes.require(&group) {
        if !dns_subdomain(group.text()).is_empty() {
            causes.invalid(&group, "must be a domain name");
        } else if !group.text().contains('.') {
            causes.invalid(&group, "should be a domain with at least one dot");
        }
    }
    causes.require_one_of(&spec.member(Spec::SCOPE), &["Cluster", "Namespaced"]);
    let preserve = spec.member(Spec::PRESERVE_UNKNOWN_FIELDS);
    if preserve.flag() && versions::have_defaults(&spec) {
        causes.invalid(&preserve, "must be false in order to use defaults in the schema");
    }
    versions::versions(&spec, causes);
    names::required(&spec.member(Spec::NAMES), causes);
    names::names(&spec.member(Spec::NAMES), causes);
    versions::alike(&spec, causes);
    conversion(&spec.member(Spec::CONVERSION), preserve.flag(), causes);
}

fn conversion(conversion: &Field<'_>, preserves: bool, causes: &mut Causes) {
    if !conversion.is_set() {
        return;
    }
    let strategy = conversion.member(CustomResourceConversion::STRATEGY);
    causes.require_one_of(&strategy, &["None", "Webhook"]);
    let webhook = conversion.member(CustomResourceConversion::WEBHOOK);
    let config =
        webhook.member(WebhookConversion::CLIENT_CONFIG).reported_at(&conversion.untyped_member("webhookClientConfig"));
    let reviews = webhook
        .member(WebhookConversion::CONVERSION_REVIEW_VERSIONS)
        .reported_at(&conversion.member(WebhookConversion::CONVERSION_REVIEW_VERSIONS));
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
    let stored = object.member(CustomResourceDefinition::STATUS).member(Status::STORED_VERSIONS);
    let versions = object.member(CustomResourceDefinition::SPEC).member(Spec::VERSIONS);
    if stored.is_empty() {
        return causes.invalid(&stored, "must have at least one stored version");
    }
    let is_stored = |name: &str| stored.items().any(|one| one.text() == name);
    for version in versions.items().filter(|version| version.member(CustomResourceDefinitionVersion::STORAGE).flag()) {
        if !is_stored(version.member(CustomResourceDefinitionVersion::NAME).text()) {
            causes.invalid(&stored, "must have the storage version");
        }
    }
    for one in stored.items() {
        if !versions.items().any(|version| version.member(CustomResourceDefinitionVersion::NAME).text() == one.text()) {
            causes.invalid(&one, "missing from spec.versions, though objects may be stored in it");
        }
    }
}

/// Groups of the community carry the approval of their review.
fn approval(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(CustomResourceDefinition::SPEC);
    let group = spec.member(Spec::GROUP).text();
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    if !protected {
        return;
    }
    let annotation = object.member(CustomResourceDefinition::METADATA).member(ObjectMeta::ANNOTATIONS).entry(APPROVAL);
    match annotation.text() {
        "" => causes.required(&annotation),
        text if text.starts_with("unapproved") || text.starts_with("https://") || text.starts_with("http://") => {}
        _ => causes.invalid(&annotation, "must be a URL of the approval, or begin with 'unapproved'"),
    }
}

fn preserved_fields(object: Root<'_>, causes: &mut Causes) {
    let preserve = object.member(CustomResourceDefinition::SPEC).member(Spec::PRESERVE_UNKNOWN_FIELDS);
    if preserve.flag() {
        causes.invalid(&preserve, "cannot set to true, use x-kubernetes-preserve-unknown-fields in the schema instead");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_some() {
        return names::names(
            &update.new.member(CustomResourceDefinition::STATUS).member(Status::ACCEPTED_NAMES),
            causes,
        );
    }
    spec(update.new, causes);
    let (new, old) =
        (update.new.member(CustomResourceDefinition::SPEC), update.old.member(CustomResourceDefinition::SPEC));
    let (new_names, old_names) = (new.member(Spec::NAMES), old.member(Spec::NAMES));
    if is_established(update.old) {
        causes.immutable(&new.member(Spec::SCOPE), &old.member(Spec::SCOPE));
        causes.immutable(
            &new_names.member(CustomResourceDefinition::KIND),
            &old_names.member(CustomResourceDefinition::KIND),
        );
    }
    causes.immutable(&new.member(Spec::GROUP), &old.member(Spec::GROUP));
    causes.immutable(
        &new_names.member(CustomResourceDefinitionNames::PLURAL),
        &old_names.member(CustomResourceDefinitionNames::PLURAL),
    );
    names::names(&update.new.member(CustomResourceDefinition::STATUS).member(Status::ACCEPTED_NAMES), causes);
    stored_versions(update.new, causes);
    let annotation = |root: Root<'_>| {
        root.member(CustomResourceDefinition::METADATA)
            .member(ObjectMeta::ANNOTATIONS)
            .entry(APPROVAL)
            .text()
            .to_owned()
    };
    if annotation(update.new) != annotation(update.old) {
        approval(update.new, causes);
    }
    if !old.member(Spec::PRESERVE_UNKNOWN_FIELDS).flag() {
        preserved_fields(update.new, causes);
    }
}

fn is_established(object: Root<'_>) -> bool {
    object.member(CustomResourceDefinition::STATUS).member(Status::CONDITIONS).items().any(|condition| {
        condition.member(CustomResourceDefinitionCondition::TYPE).text() == "Established"
            && condition.member(CustomResourceDefinition::STATUS).text() == "True"
    })
}
