//! Which URLs there are and what can be done at each.

use super::{
    operation::{Action, Operation, PathItem, Payload, Place, group_word, tag},
    parameters,
};
use gantry_kinds::{Group, Resource, Subresource, Version};

const MACHINERY: &str = "io.k8s.apimachinery.pkg.";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const PROXY_METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
const DISCOVERY_MEDIA: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Resources whose delete answers with the object.
const DELETE_RETURNS_OBJECT: [&str; 16] = [
    "csidrivers",
    "csinodes",
    "deviceclasses",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourceclaims",
    "resourceclaimtemplates",
    "resourcequotas",
    "resourceslices",
    "serviceaccounts",
    "services",
    "storageclasses",
    "volumeattachments",
    "volumeattributesclasses",
];

/// A path outside the groups.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    pub document: &'static str,
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    /// The type of the answer below `io.k8s.apimachinery.pkg.`; empty: text.
    answer: &'static str,
    produces: &'static [&'static str],
}

/// Sorted as the index lists them.
pub(super) const FIXED: [Fixed; 5] = [
    Fixed {
        document: ".well-known/openid-configuration",
        path: "/.well-known/openid-configuration/",
        id: "getServiceAccountIssuerOpenIDConfiguration",
        tag: "WellKnown",
        answer: "",
        produces: &["application/json"],
    },
    Fixed {
        document: "api",
        path: "/api/",
        id: "getCoreAPIVersions",
        tag: "core",
        answer: "apis.meta.v1.APIVersions",
        produces: DISCOVERY_MEDIA,
    },
    Fixed {
        document: "apis",
        path: "/apis/",
        id: "getAPIVersions",
        tag: "apis",
        answer: "apis.meta.v1.APIGroupList",
        produces: DISCOVERY_MEDIA,
    },
    Fixed {
        document: "openid/v1/jwks",
        path: "/openid/v1/jwks/",
        id: "getServiceAccountIssuerOpenIDKeyset",
        tag: "openid",
        answer: "",
        produces: &["application/jwk-set+json"],
    },
    Fixed {
        document: "version",
        path: "/version/",
        id: "getCodeVersion",
        tag: "version",
        answer: "version.Info",
        produces: &["application/json"],
    },
];

pub(super) fn fixed(fixed: &Fixed) -> PathItem {
    let answer = match fixed.answer {
        "" => Payload::Text,
        name => Payload::Type(format!("{MACHINERY}{name}")),
    };
    plain(fixed.path.to_owned(), fixed.id.to_owned(), fixed.tag.to_owned(), answer, fixed.produces)
}

fn plain(path: String, id: String, tag: String, answer: Payload, produces: &'static [&'static str]) -> PathItem {
    let operation = Operation {
        method: "get",
        action: Action::Plain,
        description: "What is served here.".to_owned(),
        body: Payload::Nothing,
        query: Vec::new(),
        kind: None,
        id,
        tag,
        answer,
        produces,
    };
    PathItem { path, operations: vec![operation] }
}

pub(super) fn group(group: &Group) -> PathItem {
    let id = format!("get{}APIGroup", group_word(&group.name));
    let answer = Payload::Type(format!("{META}APIGroup"));
    plain(format!("/apis/{}/", group.name), id, tag(&group.name, None), answer, DISCOVERY_MEDIA)
}

/// `/api/v1` or `/apis/GROUP/VERSION`
pub(super) fn root(group: &Group, version: &Version) -> String {
    if group.name.is_empty() {
        format!("/api/{}", version.name)
    } else {
        format!("/apis/{}/{}", group.name, version.name)
    }
}

pub(super) fn version(group: &Group, version: &Version) -> Vec<PathItem> {
    let root = root(group, version);
    let id = format!("get{}{}APIResources", group_word(&group.name), super::operation::capitalised(&version.name));
    let answer = Payload::Type(format!("{META}APIResourceList"));
    let tag = tag(&group.name, Some(&version.name));
    let mut items = vec![plain(format!("{root}/"), id, tag, answer, DISCOVERY_MEDIA)];
    for resource in &version.resources {
        collection(&root, resource, &mut items);
        watches(&root, resource, &mut items);
        for subresource in &resource.subresources {
            below(&root, resource, subresource, &mut items);
        }
    }
    items
}

/// The collection across namespaces, in one namespace, and an object in it.
fn collection(root: &str, resource: &Resource, items: &mut Vec<PathItem>) {
    let plural = &resource.plural;
    let place = |in_namespace| Place { resource, subresource: None, with_path: false, in_namespace };
    let base = match resource.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{plural}"),
        false => format!("{root}/{plural}"),
    };
    if resource.namespaced && resource.has_verb("list") {
        push(items, format!("{root}/{plural}"), vec![on_resource(place(false), Action::List)]);
    }
    let here = place(resource.namespaced);
    let some = |actions: &[(&str, Action)]| -> Vec<Operation> {
        let served = actions.iter().filter(|(verb, _)| resource.has_verb(verb));
        served.map(|(_, action)| on_resource(here, *action)).collect()
    };
    let all = [("list", Action::List), ("create", Action::Post), ("deletecollection", Action::DeleteCollection)];
    push(items, base.clone(), some(&all));
    let one = [("get", Action::Get), ("update", Action::Put), ("patch", Action::Patch), ("delete", Action::Delete)];
    push(items, format!("{base}/{{name}}"), some(&one));
}

/// The paths of old that only watch.
fn watches(root: &str, resource: &Resource, items: &mut Vec<PathItem>) {
    if !resource.has_verb("watch") {
        return;
    }
    let plural = &resource.plural;
    let place = |in_namespace| Place { resource, subresource: None, with_path: false, in_namespace };
    let base = match resource.namespaced {
        true => {
            push(items, format!("{root}/watch/{plural}"), vec![on_resource(place(false), Action::WatchList)]);
            format!("{root}/watch/namespaces/{{namespace}}/{plural}")
        }
        false => format!("{root}/watch/{plural}"),
    };
    let here = place(resource.namespaced);
    push(items, base.clone(), vec![on_resource(here, Action::WatchList)]);
    push(items, format!("{base}/{{name}}"), vec![on_resource(here, Action::Watch)]);
}

fn below(root: &str, resource: &Resource, subresource: &Subresource, items: &mut Vec<PathItem>) {
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let path = format!("{root}{scope}/{}/{{name}}/{}", resource.plural, subresource.name);
    let place =
        |with_path| Place { resource, subresource: Some(subresource), with_path, in_namespace: resource.namespaced };
    if subresource.root.is_none() {
        connects(path, place, items);
        return;
    }
    let verbs = [("get", Action::Get), ("create", Action::Post), ("update", Action::Put), ("patch", Action::Patch)];
    let served = verbs.iter().filter(|(verb, _)| subresource.has_verb(verb));
    push(items, path, served.map(|(_, action)| on_subresource(place(false), subresource, *action)).collect());
}

/// Streams and proxies; a proxy also takes a path of the backend.
fn connects<'a>(path: String, place: impl Fn(bool) -> Place<'a>, items: &mut Vec<PathItem>) {
    let Some(subresource) = place(false).subresource else { return };
    if subresource.name != "proxy" {
        push(items, path, ["get", "post"].map(|method| connect(place(false), subresource, method)).into());
        return;
    }
    let all = |with_path| PROXY_METHODS.map(|method| connect(place(with_path), subresource, method)).into();
    push(items, path.clone(), all(false));
    push(items, format!("{path}/{{path}}"), all(true));
}

fn push(items: &mut Vec<PathItem>, path: String, operations: Vec<Operation>) {
    if !operations.is_empty() {
        items.push(PathItem { path, operations });
    }
}

fn method_of(action: Action) -> &'static str {
    match action {
        Action::Post => "post",
        Action::Put => "put",
        Action::Patch => "patch",
        Action::Delete | Action::DeleteCollection => "delete",
        _ => "get",
    }
}

fn on_resource(place: Place<'_>, action: Action) -> Operation {
    let resource = place.resource;
    let own = Payload::Type(resource.root.name.clone().into_owned());
    let meta = |name: &str| Payload::Type(format!("{META}{name}"));
    let answer = match action {
        Action::List => Payload::Type(format!("{}List", resource.root.name)),
        Action::Watch | Action::WatchList => meta("WatchEvent"),
        Action::DeleteCollection => meta("Status"),
        Action::Delete if !DELETE_RETURNS_OBJECT.contains(&&*resource.plural) => meta("Status"),
        _ => own.clone(),
    };
    Operation {
        method: method_of(action),
        action,
        id: place.id(action, ""),
        tag: tag(&resource.group, Some(&resource.version)),
        description: super::description::of_operation(action, &resource.kind),
        body: body(action, own),
        answer,
        query: parameters::of_action(action),
        kind: Some((resource.group.to_string(), resource.version.to_string(), resource.kind.to_string())),
        produces: &[],
    }
}

fn body(action: Action, own: Payload) -> Payload {
    match action {
        Action::Post | Action::Put => own,
        Action::Patch => Payload::Type(format!("{META}Patch")),
        Action::Delete | Action::DeleteCollection => Payload::Type(format!("{META}DeleteOptions")),
        _ => Payload::Nothing,
    }
}

fn on_subresource(place: Place<'_>, subresource: &Subresource, action: Action) -> Operation {
    let is_log = subresource.name == "log";
    let own = subresource.root.as_ref().map_or(Payload::Nothing, |ty| Payload::Type(ty.name.clone().into_owned()));
    Operation {
        method: method_of(action),
        action,
        id: place.id(action, ""),
        tag: tag(&place.resource.group, Some(&place.resource.version)),
        description: super::description::of_subresource(action, &subresource.name, &place.resource.kind),
        body: body(action, own.clone()),
        answer: if is_log { Payload::Text } else { own },
        query: if is_log { parameters::of_connect("log") } else { parameters::of_action(action) },
        kind: Some(kind_of(subresource)),
        produces: if is_log { &["text/plain"] } else { &[] },
    }
}

fn connect(place: Place<'_>, subresource: &Subresource, method: &'static str) -> Operation {
    Operation {
        method,
        action: Action::Connect,
        id: place.id(Action::Connect, method),
        tag: tag(&place.resource.group, Some(&place.resource.version)),
        description: super::description::of_subresource(Action::Connect, &subresource.name, &place.resource.kind),
        body: Payload::Nothing,
        answer: Payload::Text,
        query: parameters::of_connect(&subresource.name),
        kind: Some(kind_of(subresource)),
        produces: &["*/*"],
    }
}

fn kind_of(subresource: &Subresource) -> (String, String, String) {
    (subresource.kind_group.to_string(), subresource.kind_version.to_string(), subresource.kind.to_string())
}
