//! FlowSchema.

use crate::{
    field::{Causes, Field, Root},
    names,
    table::Update,
};

const PRECEDENCE_MAX: i64 = 10_000;
/// Precedence 1 is the exempt schema's alone.
const EXEMPT: &str = "exempt";

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    let (precedence, method) = (spec.member("matchingPrecedence"), spec.member("distinguisherMethod"));
    let number = precedence.int().unwrap_or_default();
    if !(1..=PRECEDENCE_MAX).contains(&number) && precedence.is_set() {
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
        words(&one.member("verbs"), causes);
        let paths = one.member("nonResourceURLs");
        words(&paths, causes);
        for path in paths.items().filter(|path| path.text() != "*") {
            if !path.text().starts_with('/') {
                causes.invalid(&path, "must start with slash");
            }
        }
    }
}

fn subject(subject: &Field<'_>, causes: &mut Causes) {
    let (kind, member) = match subject.member("kind").text() {
        "ServiceAccount" => ("ServiceAccount", "serviceAccount"),
        "User" => ("User", "user"),
        "Group" => ("Group", "group"),
        _ => return causes.not_supported(&subject.member("kind"), &["Group", "ServiceAccount", "User"]),
    };
    let named = subject.member(member);
    if !named.is_set() {
        return causes.required(&named);
    }
    causes.require(&named.member("name"));
    if kind == "ServiceAccount" {
        causes.require(&named.member("namespace"));
    }
}

fn resource_rule(rule: &Field<'_>, causes: &mut Causes) {
    for member in ["verbs", "apiGroups", "resources"] {
        words(&rule.member(member), causes);
    }
    let namespaces = rule.member("namespaces");
    if namespaces.is_empty() && !rule.member("clusterScope").flag() {
        causes.required(&namespaces);
    }
    words_or_none(&namespaces, causes);
}

/// A list with something in it, or `*` alone.
fn words(list: &Field<'_>, causes: &mut Causes) {
    causes.require(list);
    words_or_none(list, causes);
}

fn words_or_none(list: &Field<'_>, causes: &mut Causes) {
    if list.len() > 1 && list.items().any(|item| item.text() == "*") {
        causes.invalid(list, "if '*' is present, must not specify other values");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_some() {
        return;
    }
    create(update.new, causes);
    // The two schemas without which nothing would be served keep their rules.
    if matches!(update.new.name(), EXEMPT | "catch-all") {
        causes.immutable(&update.new.member("spec"), &update.old.member("spec"));
    }
}
