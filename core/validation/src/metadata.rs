//! Rules of `metadata`, the same for every kind but for what a name may be.
//!
//! The reference runs some of these more than once on an update, and each run reports anew; [`crate::table`] says how
//! often.

use gantry_kinds::{
    FieldName,
    fields::{
        AnyObject,
        apiregistration_v1::{APIService, APIServiceSpec},
        meta_v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference},
    },
};
use gantry_meta::Value;

use crate::{
    field::{Causes, Field, Root},
    names::{self, NameRule},
};

/// Members of metadata that a template does not have.
const OF_ONE_OBJECT: [FieldName; 13] = [
    ObjectMeta::NAME,
    ObjectMeta::GENERATE_NAME,
    ObjectMeta::NAMESPACE,
    ObjectMeta::SELF_LINK,
    ObjectMeta::UID,
    ObjectMeta::RESOURCE_VERSION,
    ObjectMeta::GENERATION,
    ObjectMeta::CREATION_TIMESTAMP,
    ObjectMeta::DELETION_TIMESTAMP,
    ObjectMeta::DELETION_GRACE_PERIOD_SECONDS,
    ObjectMeta::OWNER_REFERENCES,
    ObjectMeta::FINALIZERS,
    ObjectMeta::MANAGED_FIELDS,
];
/// Keys and values of all annotations together.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;
/// Finalizers that need no prefix.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
const SUBRESOURCE_MAX_BYTES: usize = 256;
const FIELD_MANAGER_MAX_BYTES: usize = 128;

/// Everything about one object's metadata.
pub fn object_meta(object: Root<'_>, namespaced: bool, rule: NameRule, causes: &mut Causes) {
    let meta = object.member(AnyObject::METADATA);
    names(object, rule, causes);
    self::namespace(&meta.member(ObjectMeta::NAMESPACE), namespaced, causes);
    causes.non_negative(&meta.member(ObjectMeta::GENERATION));
    labels(&meta.member(ObjectMeta::LABELS), causes);
    annotations_of(object, causes);
    owner_references(&meta.member(ObjectMeta::OWNER_REFERENCES), causes);
    finalizers(&meta.member(ObjectMeta::FINALIZERS), causes);
    managed_fields(&meta.member(ObjectMeta::MANAGED_FIELDS), causes);
}

/// `name`, and the prefix that it may have been generated from.
fn names(object: Root<'_>, rule: NameRule, causes: &mut Causes) {
    let meta = object.member(AnyObject::METADATA);
    let (generate_name, name) = (meta.member(ObjectMeta::GENERATE_NAME), meta.member(ObjectMeta::NAME));
    if !generate_name.is_empty() {
        causes.invalid_each(&generate_name, reasons(object, rule, generate_name.text(), true));
    }
    if causes.require(&name) {
        causes.invalid_each(&name, reasons(object, rule, name.text(), false));
    }
}

/// Reasons against a name, or a prefix of names, of this object.
fn reasons(object: Root<'_>, rule: NameRule, name: &str, is_prefix: bool) -> names::Reasons {
    let reasons = rule.reasons(name, is_prefix);
    let spec = object.member(APIService::SPEC);
    let part = |member| spec.member(member).text();
    let is_of_spec = || name == format!("{}.{}", part(APIServiceSpec::VERSION), part(APIServiceSpec::GROUP));
    if rule == NameRule::VersionAndGroup && reasons.is_empty() && !is_of_spec() {
        return vec!["must be `spec.version+\".\"+spec.group`"];
    }
    reasons
}

fn namespace(namespace: &Field<'_>, namespaced: bool, causes: &mut Causes) {
    if !namespaced {
        if !namespace.is_empty() {
            causes.forbidden(namespace, "not allowed on this type");
        }
    } else if causes.require(namespace) {
        causes.invalid_each(namespace, names::dns_label(namespace.text()));
    }
}

/// Metadata of what is made from a template: annotations and labels, and nothing that belongs to one object alone.
pub fn template_meta(metadata: &Field<'_>, causes: &mut Causes) {
    annotations(&metadata.member(ObjectMeta::ANNOTATIONS), causes);
    labels(&metadata.member(ObjectMeta::LABELS), causes);
    for member in OF_ONE_OBJECT {
        // The reference spells this one otherwise.
        let field = metadata.member_as(member, if member == ObjectMeta::UID { "uID" } else { member.as_str() });
        let is_unset = field.is_empty() || (member == ObjectMeta::GENERATION && field.int() == Some(0));
        if !is_unset {
            causes.forbidden(&field, "cannot be set in a template");
        }
    }
}

/// Keys and values of a map of labels, all reported at the map.
pub fn labels(labels: &Field<'_>, causes: &mut Causes) {
    for (key, value) in labels.entries() {
        causes.invalid_each(labels, names::qualified_name(key));
        causes.invalid_each(labels, names::label_value(value.text()));
    }
}

/// Keys of annotations and their size in all.
pub fn annotations(annotations: &Field<'_>, causes: &mut Causes) {
    annotations_but(annotations, "", causes);
}

/// [`annotations`] of an object. What the reference keeps in a field of its own and shows as an annotation does not count.
fn annotations_of(object: Root<'_>, causes: &mut Causes) {
    let shown = match (object.member(AnyObject::API_VERSION).text(), object.member(AnyObject::KIND).text()) {
        ("apps/v1", "DaemonSet") => "deprecated.daemonset.template.generation",
        ("apps/v1", "Deployment") => "deprecated.deployment.rollback.revision",
        _ => "",
    };
    annotations_but(&object.member(AnyObject::METADATA).member(ObjectMeta::ANNOTATIONS), shown, causes);
}

fn annotations_but(annotations: &Field<'_>, shown: &str, causes: &mut Causes) {
    let mut bytes = 0;
    for (key, value) in annotations.entries().filter(|(key, _)| shown.is_empty() || *key != shown) {
        causes.invalid_each(annotations, names::qualified_name(&key.to_lowercase()));
        bytes += key.len() + value.text().len();
    }
    if bytes > ANNOTATIONS_MAX_BYTES {
        causes.too_long(annotations, ANNOTATIONS_MAX_BYTES);
    }
}

fn owner_references(owners: &Field<'_>, causes: &mut Causes) {
    let mut controllers = 0;
    for owner in owners.items() {
        // The reference reports these without the index.
        let unindexed = |member| owner.member(member).reported_at(&owners.member(member));
        let api_version = unindexed(OwnerReference::API_VERSION);
        if !has_version(api_version.text()) {
            causes.invalid(&api_version, "version must not be empty");
        }
        for (member, why) in [
            (OwnerReference::KIND, "kind must not be empty"),
            (OwnerReference::NAME, "name must not be empty"),
            (OwnerReference::UID, "uid must not be empty"),
        ] {
            if unindexed(member).is_empty() {
                causes.invalid(&unindexed(member), why);
            }
        }
        if api_version.text() == "v1" && owner.member(OwnerReference::KIND).text() == "Event" {
            causes.invalid(owners, "v1 Event is disallowed from being an owner");
        }
        controllers += usize::from(owner.member(OwnerReference::CONTROLLER).flag());
    }
    if controllers > 1 {
        causes.invalid(owners, "Only one reference can have Controller set to true");
    }
}

/// `version` or `group/version`.
fn has_version(api_version: &str) -> bool {
    let version = api_version.split_once('/').map_or(api_version, |(_, version)| version);
    api_version == "/" || !version.is_empty() && !version.contains('/')
}

fn finalizers(finalizers: &Field<'_>, causes: &mut Causes) {
    let has = |name: &str| finalizers.items().any(|f| f.text() == name);
    for finalizer in finalizers.items() {
        causes.invalid_each(&finalizer.reported_at(finalizers), names::qualified_name(finalizer.text()));
    }
    if has("orphan") && has("foregroundDeletion") {
        causes.invalid(finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// A finalizer of a built-in kind has a prefix or is a standard one.
pub fn finalizers_are_standard_or_qualified(object: Root<'_>, causes: &mut Causes) {
    for finalizer in object.member(AnyObject::METADATA).member(ObjectMeta::FINALIZERS).items() {
        if !finalizer.text().contains('/') && !STANDARD_FINALIZERS.contains(&finalizer.text()) {
            causes.invalid(&finalizer, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

fn managed_fields(entries: &Field<'_>, causes: &mut Causes) {
    for entry in entries.items() {
        let operation = entry.member(ManagedFieldsEntry::OPERATION);
        if !matches!(operation.text(), "Apply" | "Update") {
            causes.invalid(&operation, "must be `Apply` or `Update`");
        }
        let fields_type = entry.member(ManagedFieldsEntry::FIELDS_TYPE);
        if fields_type.text() != "FieldsV1" {
            causes.invalid(&fields_type, "must be `FieldsV1`");
        }
        field_manager(&entry.member(ManagedFieldsEntry::MANAGER), causes);
        let subresource = entry.member(ManagedFieldsEntry::SUBRESOURCE);
        if subresource.text().len() > SUBRESOURCE_MAX_BYTES {
            causes.too_long(&subresource, SUBRESOURCE_MAX_BYTES);
        }
    }
}

/// A field manager is short and printable.
pub fn field_manager(manager: &Field<'_>, causes: &mut Causes) {
    if manager.text().len() > FIELD_MANAGER_MAX_BYTES {
        causes.too_long(manager, FIELD_MANAGER_MAX_BYTES);
    }
    if manager.text().chars().any(char::is_control) {
        causes.invalid(manager, "should only contain printable characters");
    }
}

/// What an update may not do to metadata.
pub fn object_meta_update(object: Root<'_>, old: Root<'_>, causes: &mut Causes) {
    let (new, old) = (object.member(AnyObject::METADATA), old.member(AnyObject::METADATA));
    if old.member(ObjectMeta::DELETION_TIMESTAMP).is_set() {
        no_new_finalizers(&new.member(ObjectMeta::FINALIZERS), &old.member(ObjectMeta::FINALIZERS), causes);
    }
    if new.member(ObjectMeta::GENERATION).int().unwrap_or_default()
        < old.member(ObjectMeta::GENERATION).int().unwrap_or_default()
    {
        causes.invalid(&new.member(ObjectMeta::GENERATION), "must not be decremented");
    }
    for member in [
        ObjectMeta::NAME,
        ObjectMeta::NAMESPACE,
        ObjectMeta::UID,
        ObjectMeta::CREATION_TIMESTAMP,
        ObjectMeta::DELETION_TIMESTAMP,
        ObjectMeta::DELETION_GRACE_PERIOD_SECONDS,
    ] {
        // What an update leaves out is kept.
        if new.member(member).is_set() {
            causes.immutable(&new.member(member), &old.member(member));
        }
    }
    labels(&new.member(ObjectMeta::LABELS), causes);
    annotations_of(object, causes);
    owner_references(&new.member(ObjectMeta::OWNER_REFERENCES), causes);
    managed_fields(&new.member(ObjectMeta::MANAGED_FIELDS), causes);
}

fn no_new_finalizers(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    let known: Vec<Option<&Value>> = old.items().map(|f| f.value()).collect();
    if new.items().any(|f| !known.contains(&f.value())) {
        causes.forbidden(new, "no new finalizers can be added if the object is being deleted");
    }
}
