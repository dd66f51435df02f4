//! What is asked for, and the trait that decides.

use std::borrow::Cow;

use gantry_meta::{FieldSelector, LabelSelector, Reason, Status, StatusDetails};

use crate::UserInfo;

/// One thing that a user wants to do. A resource request has `resource` set; any other has only `verb` and `path`.
///
/// `name` is the URL's name; for list and watch it is the value that `fieldSelector=metadata.name=X` demands, for
/// deletecollection it stays empty.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub user: &'a UserInfo,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; lower-case HTTP method for paths.
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub path: &'a str,
    pub field_selector: Option<&'a FieldSelector>,
    pub label_selector: Option<&'a LabelSelector>,
}

impl<'a> Attributes<'a> {
    /// A request to a resource; subresource, namespace and name start empty.
    pub fn resource(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Self { group, resource, ..Self::path(user, verb, "") }
    }

    /// A request to a path that is no resource.
    pub fn path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Self {
            user,
            verb,
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path,
            field_selector: None,
            label_selector: None,
        }
    }

    #[must_use]
    pub fn at(mut self, namespace: &'a str, name: &'a str) -> Self {
        (self.namespace, self.name) = (namespace, name);
        self
    }

    #[must_use]
    pub fn subresource(mut self, subresource: &'a str) -> Self {
        self.subresource = subresource;
        self
    }

    #[must_use]
    pub fn selecting(mut self, fields: Option<&'a FieldSelector>, labels: Option<&'a LabelSelector>) -> Self {
        (self.field_selector, self.label_selector) = (fields, labels);
        self
    }

    pub fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// The 403 that answers a refused request. Its details name the object only where the URL does; those of a path are `{}`.
    pub fn forbidden(&self, reason: &str) -> Status {
        let mut status = Status::failure(Reason::Forbidden, self.forbidden_message(reason)).with_empty_details();
        if self.is_resource() {
            status.details = Some(Box::new(StatusDetails {
                name: self.name.to_owned(),
                group: self.group.to_owned(),
                kind: self.resource.to_owned(),
                ..StatusDetails::default()
            }));
        }
        status
    }

    fn forbidden_message(&self, reason: &str) -> String {
        let user = &self.user.name;
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        if !self.is_resource() {
            return format!("forbidden: User {user:?} cannot {} path {:?}{why}", self.verb, self.path);
        }
        let dot = if self.group.is_empty() { "" } else { "." };
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        let scope = match self.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        format!(
            "{resource}{dot}{group}{name} is forbidden: User {user:?} cannot {verb} resource \"{resource}{slash}{sub}\" in API group {group:?} {scope}{why}",
            resource = self.resource,
            group = self.group,
            name = if self.name.is_empty() { String::new() } else { format!(" {:?}", self.name) },
            verb = self.verb,
            sub = self.subresource,
        )
    }
}

/// What one authoriser says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Permitted; the text says by what, for audit and reviews.
    Allow(Cow<'static, str>),
    /// Refused whatever others say.
    Deny(Cow<'static, str>),
    /// Not this authoriser's to permit. Ask the next; the last one's silence is a refusal.
    NoOpinion(Cow<'static, str>),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    pub fn reason(&self) -> &str {
        match self {
            Decision::Allow(reason) | Decision::Deny(reason) | Decision::NoOpinion(reason) => reason,
        }
    }
}

/// Decides from memory, without waiting: it stands before every request.
pub trait Authorizer: Send + Sync {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision;

    /// The same decision with the whole reason in words, for reviews: costs more than most requests can spare.
    fn explain(&self, attributes: &Attributes<'_>) -> Decision {
        self.authorize(attributes)
    }

    /// The 403 to answer with, or nothing.
    fn check(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        match self.authorize(attributes) {
            Decision::Allow(_) => Ok(()),
            refused => Err(Box::new(attributes.forbidden(refused.reason()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_object_only_where_the_url_does() {
        let jane = UserInfo::new("jane", &[]);
        let named = Attributes::resource(&jane, "get", "apps", "deployments").at("ns", "web").forbidden("");
        let details = named.details.unwrap();
        assert_eq!((&*details.group, &*details.kind, &*details.name), ("apps", "deployments", "web"));
        let unnamed = Attributes::resource(&jane, "create", "", "namespaces").forbidden("");
        assert_eq!(unnamed.details.unwrap().name, "");
        let path = Attributes::path(&jane, "get", "/metrics").forbidden("");
        assert_eq!((path.code, path.details), (403, Some(Box::default())));
    }
}
