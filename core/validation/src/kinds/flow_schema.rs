//! FlowSchema.

use crate::{
    field::{Causes, Field, Root},
    names,
    table::Update,
};

const PRECEDENCE_MAX: i64 = 10_000;
/// Precedence 1 is the exempt schema's alone.
const EXEMPT: &str = "exempt";
const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// Kinds of subjects with the member that names one.
const SUBJECTS: [(&str, &str); 3] = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let (precedence, method) = (spec.member("matchingPrecedence"), spec.member("distinguisherMethod"));
    let number = precedence.int().unwrap_or_default();
    if !(1..=PRECEDENCE_MAX).contains(&number) {
        causes.invalid(&precedence, "must be between 1 and 10000, inclusive");
    }
    if number == 1 && object.name() != EXEMPT {
        causes.invalid(&precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if method.is_set() {
        causes.one_of(&method.member("type"), &["ByNamespace", "ByUser"]);
    }
    let level = spec.member("priorityLevelConfiguration").member("name");
    if causes.require(&level) {
        causes.invalid_each(&level, names::dns_subdomain(level.text()));
    }
    spec.member("rules").items().for_each(|one| rule(&one, causes));
}

fn rule(rule: &Field<'_>, causes: &mut Causes) {
    let (subjects, resources, urls) =
        (rule.member("subjects"), rule.member("resourceRules"), rule.member("nonResourceRules"));
    causes.require(&subjects);
    subjects.items().for_each(|one| subject(&one, causes));
    if resources.is_empty() && urls.is_empty() {
        causes.required(rule);
    }
    resources.items().for_each(|one| resource_rule(&one, causes));
    for one in urls.items() {
        verbs(&one.member("verbs"), causes);
        let paths = one.member("nonResourceURLs");
        words(&paths, causes);
        if !has_wildcard(&paths) {
            paths.items().for_each(|path| url_path(&path, causes));
        }
    }
}

fn subject(subject: &Field<'_>, causes: &mut Causes) {
    let kind = subject.member("kind");
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind.text()) else {
        return causes.not_supported(&kind, &["Group", "ServiceAccount", "User"]);
    };
    let named = subject.member(own);
    match named.is_set() {
        true if *own == "serviceAccount" => service_account(&named, causes),
        true => _ = causes.require(&named.member("name")),
        false => causes.required(&named),
    }
    for (_, other) in SUBJECTS.iter().filter(|(_, member)| member != own) {
        if subject.member(other).is_set() {
            causes.forbidden(&subject.member(other), "is forbidden when the subject is of another kind");
        }
    }
}

fn service_account(account: &Field<'_>, causes: &mut Causes) {
    let (name, namespace) = (account.member("name"), account.member("namespace"));
    if causes.require(&name) && name.text() != "*" {
        causes.invalid_each(&name, names::dns_subdomain(name.text()));
    }
    if causes.require(&namespace) {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
}

fn resource_rule(rule: &Field<'_>, causes: &mut Causes) {
    verbs(&rule.member("verbs"), causes);
    for member in ["apiGroups", "resources"] {
        words(&rule.member(member), causes);
    }
    let namespaces = rule.member("namespaces");
    if namespaces.is_empty() && !rule.member("clusterScope").flag() {
        causes.required(&namespaces);
    }
    words_or_none(&namespaces, causes);
    if !has_wildcard(&namespaces) {
        for namespace in namespaces.items() {
            causes.invalid_each(&namespace, names::dns_label(namespace.text()));
        }
    }
}

fn verbs(verbs: &Field<'_>, causes: &mut Causes) {
    words(verbs, causes);
    if !has_wildcard(verbs) && verbs.items().any(|verb| !VERBS.contains(&verb.text())) {
        causes.not_supported(verbs, &VERBS);
    }
}

/// A path of the URL, in which a `*` may stand for the last step.
fn url_path(path: &Field<'_>, causes: &mut Causes) {
    let text = path.text();
    let (steps, last) = text.rsplit_once('/').unwrap_or((text, ""));
    let why = match text {
        "/" => return,
        "" => "must not be empty",
        _ if !text.starts_with('/') => "must start with slash",
        _ if text.contains(' ') => "must not contain white-space",
        _ if text.contains("//") => "must not contain double slash",
        _ if steps.contains('*') || (last.contains('*') && last != "*") => "wildcard can only do suffix matching",
        _ => return,
    };
    causes.invalid(path, why);
}

fn has_wildcard(list: &Field<'_>) -> bool {
    list.items().any(|item| item.text() == "*")
}

/// A list with something in it, or `*` alone.
fn words(list: &Field<'_>, causes: &mut Causes) {
    causes.require(list);
    words_or_none(list, causes);
}

fn words_or_none(list: &Field<'_>, causes: &mut Causes) {
    if list.len() > 1 && has_wildcard(list) {
        causes.invalid(list, "if '*' is present, must not specify other values");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_some() {
        return condition_types(update.new, causes);
    }
    create(update.new, causes);
    // The two schemas without which nothing would be served keep their rules.
    if matches!(update.new.name(), EXEMPT | "catch-all") {
        causes.immutable(&update.new.member("spec"), &update.old.member("spec"));
    }
}

/// Conditions of this group's status have a type, and each has another.
pub(super) fn condition_types(object: Root<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for kind in object.member("status").member("conditions").items().map(|condition| condition.member("type")) {
        if seen.contains(&kind.text()) {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
        causes.require(&kind);
    }
}
