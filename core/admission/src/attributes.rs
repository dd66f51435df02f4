//! What a plugin knows of the request besides the object.

use gantry_auth::UserInfo;
use gantry_meta::{GroupVersionResource, Reason, Status};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub operation: Operation,
    pub resource: &'a GroupVersionResource,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Of the URL, or of the body for a create; generated names are there already.
    pub name: &'a str,
    pub user: &'a UserInfo,
    pub dry_run: bool,
}

impl Attributes<'_> {
    /// True for the object itself (no subresource) of a resource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.is_sub(group, resource, "")
    }

    pub fn is_sub(&self, group: &str, resource: &str, subresource: &str) -> bool {
        &*self.resource.resource == resource && &*self.resource.group == group && self.subresource == subresource
    }

    /// The 403 of admission: it names the object, as the refusal of an authoriser does not.
    pub fn forbidden(&self, why: impl std::fmt::Display) -> Status {
        let what = format!("is forbidden: {why}");
        Status::about(Reason::Forbidden, &self.resource.group, &self.resource.resource, self.name, &what)
    }
}
