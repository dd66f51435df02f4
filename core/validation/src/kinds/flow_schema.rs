//! FlowSchema.

use gantry_kinds::{
    FieldName,
    fields::flowcontrol_v1::{
        FlowDistinguisherMethod, FlowSchema, FlowSchemaCondition, FlowSchemaSpec, FlowSchemaStatus,
        NonResourcePolicyRule, PolicyRulesWithSubjects, PriorityLevelConfigurationReference, ResourcePolicyRule,
        ServiceAccountSubject, Subject, UserSubject,
    },
};

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
const SUBJECTS: [(&str, FieldName); 3] =
    [("ServiceAccount", Subject::SERVICE_ACCOUNT), ("User", Subject::USER), ("Group", Subject::GROUP)];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(FlowSchema::SPEC);
    let (precedence, method) =
        (spec.member(FlowSchemaSpec::MATCHING_PRECEDENCE), spec.member(FlowSchemaSpec::DISTINGUISHER_METHOD));
    let number = precedence.int().unwrap_or_default();
    if !(1..=PRECEDENCE_MAX).contains(&number) {
        causes.invalid(&precedence, "must be between 1 and 10000, inclusive");
    }
    if number == 1 && object.name() != EXEMPT {
        causes.invalid(&precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if method.is_set() {
        causes.one_of(&method.member(FlowDistinguisherMethod::TYPE), &["ByNamespace", "ByUser"]);
    }
    let level =
        spec.member(FlowSchemaSpec::PRIORITY_LEVEL_CONFIGURATION).member(PriorityLevelConfigurationReference::NAME);
    if causes.require(&level) {
        causes.invalid_each(&level, names::dns_subdomain(level.text()));
    }
    spec.member(FlowSchemaSpec::RULES).items().for_each(|one| rule(&one, causes));
}

fn rule(rule: &Field<'_>, causes: &mut Causes) {
    let (subjects, resources, urls) = (
        rule.member(PolicyRulesWithSubjects::SUBJECTS),
        rule.member(PolicyRulesWithSubjects::RESOURCE_RULES),
        rule.member(PolicyRulesWithSubjects::NON_RESOURCE_RULES),
    );
    causes.require(&subjects);
    subjects.items().for_each(|one| subject(&one, causes));
    if resources.is_empty() && urls.is_empty() {
        causes.required(rule);
    }
    resources.items().for_each(|one| resource_rule(&one, causes));
    for one in urls.items() {
        verbs(&one.member(NonResourcePolicyRule::VERBS), causes);
        let paths = one.member(NonResourcePolicyRule::NON_RESOURCE_URLS);
        words(&paths, causes);
        if !has_wildcard(&paths) {
            paths.items().for_each(|path| url_path(&path, causes));
        }
    }
}

fn subject(subject: &Field<'_>, causes: &mut Causes) {
    let kind = subject.member(Subject::KIND);
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind.text()) else {
        return causes.not_supported(&kind, &["Group", "ServiceAccount", "User"]);
    };
    let named = subject.member(*own);
    match named.is_set() {
        true if *own == Subject::SERVICE_ACCOUNT => service_account(&named, causes),
        true => _ = causes.require(&named.member(UserSubject::NAME)),
        false => causes.required(&named),
    }
    for (_, other) in SUBJECTS.iter().filter(|(_, member)| member != own) {
        if subject.member(*other).is_set() {
            causes.forbidden(&subject.member(*other), "is forbidden when the subject is of another kind");
        }
    }
}

fn service_account(account: &Field<'_>, causes: &mut Causes) {
    let (name, namespace) =
        (account.member(ServiceAccountSubject::NAME), account.member(ServiceAccountSubject::NAMESPACE));
    if causes.require(&name) && name.text() != "*" {
        causes.invalid_each(&name, names::dns_subdomain(name.text()));
    }
    if causes.require(&namespace) {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
}

fn resource_rule(rule: &Field<'_>, causes: &mut Causes) {
    verbs(&rule.member(ResourcePolicyRule::VERBS), causes);
    for member in [ResourcePolicyRule::API_GROUPS, ResourcePolicyRule::RESOURCES] {
        words(&rule.member(member), causes);
    }
    let namespaces = rule.member(ResourcePolicyRule::NAMESPACES);
    if namespaces.is_empty() && !rule.member(ResourcePolicyRule::CLUSTER_SCOPE).flag() {
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
        causes.immutable(&update.new.member(FlowSchema::SPEC), &update.old.member(FlowSchema::SPEC));
    }
}

/// Conditions of this group's status have a type, and each has another.
pub(super) fn condition_types(object: Root<'_>, causes: &mut Causes) {
    let mut seen: Vec<&str> = Vec::new();
    for kind in object
        .member(FlowSchema::STATUS)
        .member(FlowSchemaStatus::CONDITIONS)
        .items()
        .map(|condition| condition.member(FlowSchemaCondition::TYPE))
    {
        if seen.contains(&kind.text()) {
            causes.duplicate(&kind);
        }
        seen.push(kind.text());
        causes.require(&kind);
    }
}
