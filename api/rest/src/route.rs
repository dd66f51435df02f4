//! From method and URL to what is asked, and of what.

use actix_web::http::{Method, Uri};
use gantry_kinds::{Catalog, Resource, Subresource};
use gantry_meta::{GroupVersionResource, Reason, Status};
use gantry_registry::{Target, Verb};

use crate::path::{self, ApiPath, ResourcePath};

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Resource(ResourceRoute),
    /// Discovery, health, documents: everything that is no resource.
    Path {
        /// The method in lower case, which is the verb that authorisation knows.
        verb: String,
        document: Document,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct ResourceRoute {
    pub target: Target,
    pub verb: Verb,
    /// One of the verbs that lead on to a node, pod or service.
    pub connect: bool,
    /// The far path of a proxy.
    pub rest: String,
    /// Why the request cannot be run, decided after authorisation.
    pub refused: Option<Refused>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// A group that nothing is served under: a 404 in plain text.
    UnknownGroup,
    /// 404 with empty details.
    Unknown,
    /// 405 with empty details.
    Method,
    /// 400: the path has a place for a namespace, and nothing in it.
    NoNamespace,
}

impl Refused {
    pub fn status(self) -> Status {
        let (reason, message) = match self {
            Self::NoNamespace => return Status::bad_request("Namespace parameter required."),
            Self::Method => {
                (Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
            }
            Self::Unknown | Self::UnknownGroup => {
                (Reason::NotFound, "the server could not find the requested resource")
            }
        };
        Status::failure(reason, message).with_empty_details()
    }
}

/// A document that is no object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Document {
    CoreVersions,
    Groups,
    Group(String),
    GroupVersion {
        group: String,
        version: String,
    },
    /// A path with an escape that is none, whatever it leads to.
    Malformed,
    Other,
}

const CONNECT: &[&str] = &["log", "exec", "attach", "portforward", "proxy"];

pub(crate) fn route(catalog: &Catalog, method: &Method, uri: &Uri) -> Route {
    let verb = || method.as_str().to_ascii_lowercase();
    let Some(decoded) = path::decoded(uri.path()) else {
        return Route::Path { verb: verb(), document: Document::Malformed };
    };
    let document = match ApiPath::parse(&decoded) {
        ApiPath::Resource(path) => return Route::Resource(resource_route(catalog, method, uri, &path)),
        ApiPath::CoreVersions => Document::CoreVersions,
        ApiPath::Groups => Document::Groups,
        ApiPath::Group(group) => Document::Group(group.to_owned()),
        ApiPath::GroupVersion { group, version } => {
            Document::GroupVersion { group: group.to_owned(), version: version.to_owned() }
        }
        ApiPath::Other(_) => Document::Other,
    };
    Route::Path { verb: verb(), document }
}

fn resource_route(catalog: &Catalog, method: &Method, uri: &Uri, path: &ResourcePath<'_>) -> ResourceRoute {
    let connect = CONNECT.contains(&path.subresource) && catalog_knows_connect(catalog, path);
    let watch = path.watch || (path.name.is_empty() && asks_to_watch(uri.query().unwrap_or_default()));
    let verb = verb(method, path, watch);
    ResourceRoute {
        target: Target {
            resource: GroupVersionResource::new(path.group, path.version, path.resource),
            namespace: path.namespace.unwrap_or_default().to_owned(),
            name: path.name.to_owned(),
            subresource: path.subresource.to_owned(),
        },
        verb,
        connect,
        rest: path.rest.clone().into_owned(),
        refused: refused(catalog, method, path, verb),
    }
}

fn catalog_knows_connect(catalog: &Catalog, path: &ResourcePath<'_>) -> bool {
    let resource = catalog.resource(path.group, path.version, path.resource);
    resource.is_some_and(|resource| resource.subresource(path.subresource).is_some())
}

fn asks_to_watch(query: &str) -> bool {
    query.contains("watch") && crate::query::Query::parse(query).flag("watch")
}

fn verb(method: &Method, path: &ResourcePath<'_>, watch: bool) -> Verb {
    match *method {
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if path.name.is_empty() => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ if watch => Verb::Watch,
        _ if path.name.is_empty() => Verb::List,
        _ => Verb::Get,
    }
}

fn refused(catalog: &Catalog, method: &Method, path: &ResourcePath<'_>, verb: Verb) -> Option<Refused> {
    if catalog.group(path.group).is_none() {
        return Some(Refused::UnknownGroup);
    }
    let Some(resource) = catalog.resource(path.group, path.version, path.resource) else {
        return Some(Refused::Unknown);
    };
    let subresource = match path.subresource {
        "" => None,
        name => match resource.subresource(name) {
            Some(subresource) => Some(subresource),
            None => return Some(Refused::Unknown),
        },
    };
    let unwatched = path.watch && (subresource.is_some() || !resource.has_verb("watch"));
    if unwatched || !is_address(resource, path, subresource.is_some()) {
        return Some(Refused::Unknown);
    }
    let allowed = match subresource {
        Some(subresource) => passes(method, subresource) && subresource.has_verb(verb.as_str()),
        None => fits(method, resource, path) && resource.has_verb(verb.as_str()),
    };
    // Lists and watches of no namespace are of all; what is made in none is refused when it is looked at.
    let needs_namespace = path.namespace == Some("") && (!path.name.is_empty() || *method == Method::DELETE);
    match (allowed, needs_namespace) {
        (false, _) => Some(Refused::Method),
        (true, true) => Some(Refused::NoNamespace),
        (true, false) => None,
    }
}

/// Whether something of the resource can lie at the path.
fn is_address(resource: &Resource, path: &ResourcePath<'_>, has_subresource: bool) -> bool {
    let scope_fits = resource.namespaced || path.namespace.is_none();
    let named = !path.name.is_empty();
    // What is only posted has no names.
    let nameless =
        named && !has_subresource && !["get", "update", "patch", "delete"].iter().any(|verb| resource.has_verb(verb));
    let goes_on = path.subresource != "proxy" && path.rest.bytes().any(|byte| byte != b'/');
    scope_fits && !path.doubled_slash && !goes_on && !nameless && (!named || is_addressable(resource, path))
}

/// What is in a namespace has no name outside of one.
fn is_addressable(resource: &Resource, path: &ResourcePath<'_>) -> bool {
    !resource.namespaced || path.namespace.is_some()
}

/// Everything goes through a proxy, HEAD and OPTIONS too.
fn passes(method: &Method, subresource: &Subresource) -> bool {
    let plain = matches!(*method, Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    plain || &*subresource.name == "proxy"
}

/// Whether the method goes with a collection or an object, whichever the path names.
fn fits(method: &Method, resource: &Resource, path: &ResourcePath<'_>) -> bool {
    let named = !path.name.is_empty();
    match *method {
        Method::GET => true,
        Method::POST => !named && is_addressable(resource, path) && !path.watch,
        Method::PUT | Method::PATCH => named && !path.watch,
        Method::DELETE => is_addressable(resource, path) && !path.watch,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, uri: &str) -> ResourceRoute {
        match route(gantry_kinds::catalog(), &method.parse().unwrap(), &uri.parse().unwrap()) {
            Route::Resource(resource) => resource,
            other => panic!("{uri} is {other:?}"),
        }
    }

    #[test]
    fn methods_become_verbs() {
        for (method, uri, verb) in [
            ("GET", "/api/v1/namespaces/a/pods", Verb::List),
            ("GET", "/api/v1/namespaces/a/pods?watch=1", Verb::Watch),
            ("GET", "/api/v1/namespaces/a/pods?watch=false", Verb::List),
            ("GET", "/api/v1/namespaces/a/pods/p?watch=1", Verb::Get),
            ("GET", "/api/v1/watch/namespaces/a/pods/p", Verb::Watch),
            ("DELETE", "/api/v1/namespaces/a/pods", Verb::DeleteCollection),
            ("DELETE", "/api/v1/namespaces/a", Verb::Delete),
            ("POST", "/api/v1/namespaces/a/pods/p/binding", Verb::Create),
            ("PUT", "/api/v1/namespaces/a/pods/p%2Fstatus", Verb::Update),
            ("GET", "/api/v1/namespaces//secrets//", Verb::List),
        ] {
            let found = found(method, uri);
            assert_eq!((found.verb, found.refused), (verb, None), "{method} {uri}");
        }
        assert!(found("GET", "/api/v1/namespaces/a/pods/p/log").connect);
    }

    #[test]
    fn what_is_not_served_is_told_apart_from_what_is_not_allowed() {
        for (method, uri, refused) in [
            ("GET", "/apis/none.example.com/v1/things", Refused::UnknownGroup),
            ("GET", "/apis/apps/v9/namespaces/a/deployments", Refused::Unknown),
            ("GET", "/api/v1/namespaces/a/widgets/x", Refused::Unknown),
            ("GET", "/api/v1/namespaces/a/nodes", Refused::Unknown),
            ("PUT", "/api/v1/secrets/x", Refused::Unknown),
            ("DELETE", "/apis/apps/v1/deployments/x", Refused::Unknown),
            ("GET", "/api/v1/namespaces/a/pods/p/nosub", Refused::Unknown),
            ("GET", "/api/v1//namespaces/a/secrets", Refused::Unknown),
            ("GET", "/api/v1/namespaces/a/pods/p/status/x", Refused::Unknown),
            ("GET", "/api/v1/namespaces/a/secrets/x%2Fy", Refused::Unknown),
            ("GET", "/api/v1/namespaces//nodes", Refused::Unknown),
            ("GET", "/apis/authentication.k8s.io/v1/tokenreviews/x", Refused::Unknown),
            ("GET", "/apis/authentication.k8s.io/v1/watch/tokenreviews", Refused::Unknown),
            ("GET", "/apis/apps/v1/watch/namespaces/a/deployments/x/status", Refused::Unknown),
            ("GET", "/apis/authentication.k8s.io/v1/tokenreviews", Refused::Method),
            ("GET", "/api/v1/namespaces//secrets/x", Refused::NoNamespace),
            ("DELETE", "/api/v1/namespaces//secrets", Refused::NoNamespace),
            ("PUT", "/api/v1/namespaces//secrets", Refused::Method),
            ("POST", "/api/v1/namespaces/a/configmaps/x", Refused::Method),
            ("PUT", "/api/v1/namespaces/a/configmaps", Refused::Method),
            ("DELETE", "/api/v1/namespaces", Refused::Method),
            ("HEAD", "/api/v1/namespaces/a/configmaps", Refused::Method),
            ("OPTIONS", "/api/v1/namespaces/a/configmaps", Refused::Method),
            ("GET", "/api/v1/namespaces/a/pods/p/binding", Refused::Method),
            ("DELETE", "/api/v1/watch/namespaces/a/pods", Refused::Method),
        ] {
            assert_eq!(found(method, uri).refused, Some(refused), "{method} {uri}");
        }
    }
}
