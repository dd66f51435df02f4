//! Annotations of pods that mean something: some were how a field is set before there was the field.

use gantry_kinds::{
    FieldName,
    fields::{
        core_v1::{Container, Pod, PodOS, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext},
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::{Object, Value};

use super::affinity;
use crate::{
    field::{Causes, Field},
    ratchet::Ratchet,
    rules::paths,
    table::Update,
};

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
/// How a profile in a file is named.
const LOCALHOST: &str = "localhost/";
const UNCONFINED: &str = "unconfined";
const APP_ARMOR_DEFAULT: &[&str] = &["runtime/default"];
const SECCOMP_DEFAULT: &[&str] = &["runtime/default", "docker/default"];
const LISTS: [FieldName; 3] = [PodSpec::INIT_CONTAINERS, PodSpec::CONTAINERS, PodSpec::EPHEMERAL_CONTAINERS];

/// True for a pod that stands for one which a node runs by itself.
pub(super) fn is_mirror(annotations: &Field<'_>) -> bool {
    annotations.property(MIRROR).is_some()
}

/// What annotations of a pod, or of a template with this spec, may say.
pub(super) fn annotations(annotations: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let mirror = annotations.entry(MIRROR);
    if mirror.is_set() && spec.member(PodSpec::NODE_NAME).is_empty() {
        causes.invalid(&mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    tolerations(annotations, causes);
    let cost = annotations.entry(DELETION_COST);
    if cost.is_set() && !is_deletion_cost(cost.text()) {
        causes.ratcheted(Ratchet::PodDeletionCost, |causes| causes.invalid(&cost, "must be a 32bit integer"));
    }
    for (key, profile) in annotations.entries() {
        if key == SECCOMP_OF_POD || key.starts_with(SECCOMP_OF_CONTAINER) {
            seccomp(&profile.reported_at(&annotations.untyped_member(key)), causes);
        } else if let Some(container) = key.strip_prefix(APP_ARMOR) {
            app_armor(&profile, container, spec, causes);
        }
    }
}

/// A 32-bit number without a plus sign or leading zeros.
fn is_deletion_cost(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|number| number.to_string() == text || text == "-0")
}

/// Tolerations as a list in JSON.
fn tolerations(annotations: &Field<'_>, causes: &mut Causes) {
    let annotation = annotations.entry(TOLERATIONS);
    if annotation.is_empty() {
        return;
    }
    match serde_json::from_str::<Vec<Object>>(annotation.text()) {
        Err(_) => causes.invalid(annotations, "must hold a JSON list of tolerations"),
        Ok(list) => {
            let list = Value::Array(list.into_iter().map(Value::Object).collect());
            affinity::tolerations(&annotations.untyped_member(TOLERATIONS).holding(&list), causes);
        }
    }
}

fn seccomp(profile: &Field<'_>, causes: &mut Causes) {
    match profile.text() {
        UNCONFINED => {}
        text if SECCOMP_DEFAULT.contains(&text) => {}
        text => match text.strip_prefix(LOCALHOST) {
            Some(path) => paths::local_descending_in(path, profile, causes),
            None => causes.invalid(profile, "must be a valid seccomp profile"),
        },
    }
}

fn app_armor(profile: &Field<'_>, container: &str, spec: &Field<'_>, causes: &mut Causes) {
    let mut containers = LISTS.into_iter().flat_map(|list| spec.member(list).items());
    if !containers.any(|one| one.member(Container::NAME).text() == container) {
        causes.invalid(profile, "container not found");
    }
    let text = profile.text();
    let is_known = text.is_empty() || text == UNCONFINED || APP_ARMOR_DEFAULT.contains(&text);
    if !is_known && !text.starts_with(LOCALHOST) {
        causes.invalid(profile, "invalid AppArmor profile name");
    }
}

/// Where a profile is both annotated and a field, both say the same.
pub(super) fn agree_with_fields(annotations: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let of_pod = spec.member(PodSpec::SECURITY_CONTEXT);
    let annotated = |key: &str| annotations.property(key);
    if let Some(annotation) = annotated(SECCOMP_OF_POD) {
        agrees(annotation.text(), &of_pod.member(PodSecurityContext::SECCOMP_PROFILE), SECCOMP_DEFAULT, causes);
    }
    let containers = || LISTS.into_iter().flat_map(|list| spec.member(list).items());
    for container in containers() {
        let key = format!("{SECCOMP_OF_CONTAINER}{}", container.member(Container::NAME).text());
        if let Some(annotation) = annotated(&key) {
            let profile = container.member(Container::SECURITY_CONTEXT).member(PodSecurityContext::SECCOMP_PROFILE);
            agrees(annotation.text(), &profile, SECCOMP_DEFAULT, causes);
        }
    }
    if spec.member(PodSpec::OS).member(PodOS::NAME).text() == "windows" {
        return;
    }
    for container in containers() {
        let key = format!("{APP_ARMOR}{}", container.member(Container::NAME).text());
        if let Some(annotation) = annotated(&key) {
            let own = container.member(Container::SECURITY_CONTEXT).member(SecurityContext::APP_ARMOR_PROFILE);
            let inherited = of_pod.member(PodSecurityContext::APP_ARMOR_PROFILE).reported_at(&own);
            let profile = if own.is_set() { own } else { inherited };
            agrees(annotation.text(), &profile, APP_ARMOR_DEFAULT, causes);
        }
    }
}

fn agrees(annotation: &str, profile: &Field<'_>, default: &[&str], causes: &mut Causes) {
    let kind = profile.member(SeccompProfile::TYPE);
    let same = match kind.text() {
        "Unconfined" => annotation == UNCONFINED,
        "RuntimeDefault" => default.contains(&annotation),
        "Localhost" => annotation.starts_with(LOCALHOST),
        _ => true,
    };
    let file = profile.member(SeccompProfile::LOCALHOST_PROFILE);
    if !same {
        causes.forbidden(&kind, "type in annotation and field must match");
    } else if kind.text() == "Localhost" && annotation.strip_prefix(LOCALHOST) != file.value().and_then(Value::as_str) {
        causes.forbidden(&file, "profile in annotation and field must match");
    }
}

/// Annotations that stay as they are for a pod's life, then the rules that always hold.
pub(super) fn changes(update: Update<'_>, causes: &mut Causes) {
    let of =
        |root: crate::field::Root<'_>| root.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS).object().cloned();
    let (new, old) = (of(update.new).unwrap_or_default(), of(update.old).unwrap_or_default());
    let field = update.new.member(Pod::METADATA).member(ObjectMeta::ANNOTATIONS);
    let stays = |key: &str| key.starts_with(APP_ARMOR) || key == MIRROR;
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        if stays(key) && new.get(key) != old.get(key) {
            causes.forbidden(&field.entry(key), "may not be added, removed or updated");
        }
    }
    annotations(&field, &update.new.member(Pod::SPEC), causes);
}
