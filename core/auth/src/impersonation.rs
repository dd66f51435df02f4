//! Acting as somebody else: `Impersonate-*` headers.
//!
//! Constrained modes come first: `impersonate-on:<mode>:<verb>` on what is asked for, then `impersonate:<mode>` on the user in
//! `authentication.k8s.io`. Then the old way: `impersonate` on users, groups and service accounts of the core group. The mode
//! that last worked for somebody is tried first; when all refuse, the first refusal is the answer.

use std::collections::BTreeMap;

use gantry_meta::{Status, names};
use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::{
    Attributes, Authorizer, UserFields, UserInfo,
    user::{
        GROUP_AUTHENTICATED, GROUP_MASTERS, GROUP_NODES, GROUP_UNAUTHENTICATED, USER_ANONYMOUS, service_account_groups,
        split_service_account,
    },
};

const AUTHENTICATION: &str = "authentication.k8s.io";
const HEADER_PREFIX: &str = "impersonate-";
const EXTRA_HEADER_PREFIX: &str = "impersonate-extra-";
const NODE_NAME_EXTRA: &str = "authentication.kubernetes.io/node-name";
/// Requestors remembered; beyond it memory starts anew.
const REMEMBERED: usize = 4096;

/// The user that the headers ask to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Wanted {
    /// Reads the headers of a request, whose values are text in UTF-8; of a user or uid that comes twice, the first counts.
    /// `Ok(None)`: no impersonation asked for. 400: other parts without a user, or a value that is no text. To leave that one
    /// out would be to let the request act as who sent it.
    pub fn from_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Option<Self>, Box<Status>> {
        let (mut wanted, mut other_parts) = (Self::default(), false);
        for (header, value) in headers.filter(|(header, _)| is_ours(header)) {
            let header = header.to_ascii_lowercase();
            let value = std::str::from_utf8(value)
                .map_err(|_| Box::new(Status::bad_request(format!("the header {header} is not UTF-8"))))?;
            match &*header {
                "impersonate-user" if wanted.name.is_empty() => wanted.name = value.to_owned(),
                "impersonate-uid" if wanted.uid.is_empty() => wanted.uid = value.to_owned(),
                "impersonate-group" => wanted.groups.push(value.to_owned()),
                _ => {
                    let Some(key) = header.strip_prefix(EXTRA_HEADER_PREFIX) else { continue };
                    wanted.extra.entry(percent_decoded(key)).or_default().push(value.to_owned());
                }
            }
            other_parts |= header != "impersonate-user" && !(header == "impersonate-uid" && value.is_empty());
        }
        match (wanted.name.is_empty(), other_parts) {
            (false, _) => Ok(Some(wanted)),
            (true, false) => Ok(None),
            (true, true) => {
                Err(Box::new(Status::bad_request("requested to impersonate groups, uid or extra without a user name")))
            }
        }
    }

    fn only_name(&self) -> bool {
        self.uid.is_empty() && self.groups.is_empty() && self.extra.is_empty()
    }

    fn node(&self) -> Option<&str> {
        self.name.strip_prefix("system:node:").filter(|node| names::dns_subdomain(node).is_none())
    }
}

fn is_ours(header: &str) -> bool {
    header.get(..HEADER_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(HEADER_PREFIX))
}

/// Decodes `%2F`; what is no such code stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_or_else(|_| text.to_owned(), |decoded| decoded.to_lowercase())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

impl Mode {
    const ALL: [Self; 5] =
        [Self::AssociatedNode, Self::ArbitraryNode, Self::ServiceAccount, Self::UserInfo, Self::Legacy];

    /// The wire name; empty for the old way.
    fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::ServiceAccount => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Legacy => "",
        }
    }

    fn applies(self, wanted: &Wanted, requestor: &UserInfo) -> bool {
        let account = split_service_account(&wanted.name).is_some();
        match self {
            Self::AssociatedNode => wanted.only_name() && wanted.node().is_some_and(|node| is_on_node(requestor, node)),
            Self::ArbitraryNode => wanted.only_name() && wanted.node().is_some(),
            Self::ServiceAccount => wanted.only_name() && account,
            Self::UserInfo => !account && wanted.node().is_none(),
            Self::Legacy => true,
        }
    }
}

/// Whether the requestor is a service account whose token says that it runs on `node`.
fn is_on_node(requestor: &UserInfo, node: &str) -> bool {
    let says = requestor.extra.get(NODE_NAME_EXTRA).is_some_and(|names| names.len() == 1 && names[0] == node);
    says && requestor.service_account().is_some()
}

/// Grants impersonation.
#[derive(Default)]
pub struct Impersonator {
    last_mode: RwLock<HashMap<String, Mode>>,
}

impl Impersonator {
    /// The user that `request.user` becomes, or the 403 that answers. `request` is what they want to do as that user.
    pub fn impersonate(
        &self,
        authorizer: &dyn Authorizer,
        wanted: &Wanted,
        request: &Attributes<'_>,
    ) -> Result<UserInfo, Box<Status>> {
        let requestor = request.user;
        let remembered = self.last_mode.read().get(&requestor.name).copied();
        let others = Mode::ALL.into_iter().filter(|mode| Some(*mode) != remembered);
        let mut refusal = None;
        for mode in remembered.into_iter().chain(others).filter(|mode| mode.applies(wanted, requestor)) {
            match check(authorizer, mode, wanted, request) {
                Ok(user) => {
                    self.remember(&requestor.name, mode, remembered);
                    return Ok(user);
                }
                Err(status) => refusal = refusal.or(Some(status)),
            }
        }
        Err(refusal.expect("the old way applies to every request"))
    }

    fn remember(&self, requestor: &str, mode: Mode, remembered: Option<Mode>) {
        if remembered == Some(mode) {
            return;
        }
        let mut last = self.last_mode.write();
        if last.len() >= REMEMBERED {
            last.clear();
        }
        last.insert(requestor.to_owned(), mode);
    }
}

fn check(
    authorizer: &dyn Authorizer,
    mode: Mode,
    wanted: &Wanted,
    request: &Attributes<'_>,
) -> Result<UserInfo, Box<Status>> {
    if mode == Mode::Legacy {
        return check_parts(authorizer, "impersonate", "", mode, wanted, request.user);
    }
    let on = format!("impersonate-on:{}:{}", mode.name(), request.verb);
    authorizer.check(&Attributes { verb: &on, ..*request })?;
    check_parts(authorizer, &format!("impersonate:{}", mode.name()), AUTHENTICATION, mode, wanted, request.user)
}

/// Checks the right to each part of the wanted user, in the reference's order: name, uid, groups, extra.
fn check_parts(
    authorizer: &dyn Authorizer,
    verb: &str,
    group: &str,
    mode: Mode,
    wanted: &Wanted,
    requestor: &UserInfo,
) -> Result<UserInfo, Box<Status>> {
    let part = |group, resource, name| Attributes::resource(requestor, verb, group, resource).at("", name);
    let user = match (split_service_account(&wanted.name), wanted.node()) {
        (Some((namespace, name)), _) => part(group, "serviceaccounts", name).at(namespace, name),
        (None, Some(_)) if mode == Mode::AssociatedNode => part(group, "nodes", "*"),
        (None, Some(node)) if mode == Mode::ArbitraryNode => part(group, "nodes", node),
        _ => part(group, "users", &wanted.name),
    };
    authorizer.check(&user)?;
    if !wanted.uid.is_empty() {
        authorizer.check(&part(AUTHENTICATION, "uids", &wanted.uid))?;
    }
    for name in &wanted.groups {
        let attributes = part(group, "groups", name);
        if mode != Mode::Legacy && (name.is_empty() || name == GROUP_MASTERS) {
            return Err(Box::new(attributes.forbidden("this group cannot be impersonated in a constrained mode")));
        }
        authorizer.check(&attributes)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            authorizer.check(&part(AUTHENTICATION, "userextras", value).subresource(key))?;
        }
    }
    Ok(complete(mode, wanted))
}

/// The user with the groups that go without saying.
fn complete(mode: Mode, wanted: &Wanted) -> UserInfo {
    let mut groups = wanted.groups.clone();
    match split_service_account(&wanted.name) {
        Some((namespace, _)) if groups.is_empty() => groups = service_account_groups(namespace),
        _ if matches!(mode, Mode::AssociatedNode | Mode::ArbitraryNode) => groups = vec![GROUP_NODES.to_owned()],
        _ => {}
    }
    let implied = if wanted.name == USER_ANONYMOUS { GROUP_UNAUTHENTICATED } else { GROUP_AUTHENTICATED };
    let settled = groups.iter().any(|group| group == implied || group == GROUP_UNAUTHENTICATED);
    if !settled {
        groups.push(implied.to_owned());
    }
    UserFields { name: wanted.name.clone(), uid: wanted.uid.clone(), groups, extra: wanted.extra.clone() }.into()
}

#[cfg(test)]
mod tests {
    use gantry_meta::{Object, Value};
    use serde_json::json;

    use super::*;
    use crate::rbac::RbacStore;

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    /// RBAC in which `robot` has these rules everywhere.
    fn rbac(rules: Value) -> RbacStore {
        let store = RbacStore::default();
        store.apply("clusterroles", "", "r", Some(&object(json!({ "rules": rules }))));
        let binding =
            json!({"subjects": [{"kind": "User", "name": "robot"}], "roleRef": {"kind": "ClusterRole", "name": "r"}});
        store.apply("clusterrolebindings", "", "b", Some(&object(binding)));
        store
    }

    fn read(headers: &[(&str, &str)]) -> Result<Option<Wanted>, u16> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        Wanted::from_headers(headers).map_err(|status| status.code)
    }

    fn wanted(headers: &[(&str, &str)]) -> Wanted {
        read(headers).unwrap().unwrap()
    }

    fn ask(
        impersonator: &Impersonator,
        store: &RbacStore,
        resource: &str,
        headers: &[(&str, &str)],
    ) -> Result<UserInfo, String> {
        let robot = UserInfo::new("robot", &[]);
        let request = Attributes::resource(&robot, "create", AUTHENTICATION, resource);
        impersonator.impersonate(store, &wanted(headers), &request).map_err(|status| {
            let details = status.details.unwrap();
            format!("{}/{}/{}", details.group, details.kind, details.name)
        })
    }

    #[test]
    fn headers_are_read_and_extra_keys_decoded() {
        let found = wanted(&[
            ("Impersonate-User", "jane"),
            ("Impersonate-User", "root"),
            ("Impersonate-Group", "a"),
            ("impersonate-group", "b"),
            ("Impersonate-Extra-example.com%2Fteam", "red"),
            ("Accept", "x"),
        ]);
        assert_eq!((&*found.name, found.groups.len()), ("jane", 2));
        assert_eq!(found.extra["example.com/team"], ["red"]);
        assert_eq!(read(&[("Accept", "x")]), Ok(None));
        assert_eq!(read(&[("Impersonate-Group", "x")]), Err(400));
    }

    #[test]
    fn a_user_whose_name_is_no_text_is_refused_and_not_left_out() {
        assert_eq!(wanted(&[("impersonate-user", "Jürgen")]).name, "Jürgen");
        let broken = Wanted::from_headers([("impersonate-user", &b"J\xfcrgen"[..])].into_iter());
        assert_eq!(broken.unwrap_err().code, 400);
        assert_eq!(Wanted::from_headers([("accept", &b"\xfc"[..])].into_iter()).unwrap(), None, "none of ours");
    }

    #[test]
    fn the_old_way_needs_a_right_for_each_part() {
        let store = rbac(
            json!([{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]},
            {"verbs": ["impersonate"], "apiGroups": [AUTHENTICATION], "resources": ["userextras/scopes"], "resourceNames": ["view"]}]),
        );
        let i = Impersonator::default();
        let bob = ask(&i, &store, "x", &[("Impersonate-User", "bob")]).unwrap();
        assert_eq!(bob.groups, [GROUP_AUTHENTICATED]);
        let extra = |key, value| ask(&i, &store, "x", &[("Impersonate-User", "bob"), (key, value)]);
        assert_eq!(extra("Impersonate-Extra-Scopes", "view").unwrap().extra["scopes"], ["view"]);
        assert_eq!(extra("Impersonate-Extra-Scopes", "write").unwrap_err(), "authentication.k8s.io/userextras/write");
        assert_eq!(extra("Impersonate-Group", "g").unwrap_err(), "/groups/g");
        assert_eq!(extra("Impersonate-Uid", "u").unwrap_err(), "authentication.k8s.io/uids/u");
        assert_eq!(ask(&i, &store, "x", &[("Impersonate-User", "eve")]).unwrap_err(), "/users/eve");
    }

    #[test]
    fn a_constrained_right_holds_for_one_user_and_one_action() {
        let store = rbac(json!([
            {"verbs": ["impersonate:user-info"], "apiGroups": [AUTHENTICATION], "resources": ["users"], "resourceNames": ["bob"]},
            {"verbs": ["impersonate-on:user-info:create"], "apiGroups": [AUTHENTICATION], "resources": ["selfsubjectreviews"]}]));
        let i = Impersonator::default();
        let bob = [("Impersonate-User", "bob")];
        assert_eq!(ask(&i, &store, "selfsubjectreviews", &bob).unwrap().name, "bob");
        assert_eq!(
            ask(&i, &store, "selfsubjectreviews", &[("Impersonate-User", "eve")]).unwrap_err(),
            "authentication.k8s.io/users/eve"
        );
        assert_eq!(ask(&i, &store, "tokenreviews", &bob).unwrap_err(), "authentication.k8s.io/tokenreviews/");
    }

    #[test]
    fn an_accounts_groups_are_implied() {
        let store = rbac(json!([{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]}]));
        let name = [("Impersonate-User", "system:serviceaccount:ns:a")];
        let account = ask(&Impersonator::default(), &store, "x", &name).unwrap();
        assert_eq!(account.groups, ["system:serviceaccounts", "system:serviceaccounts:ns", GROUP_AUTHENTICATED]);
    }
}
