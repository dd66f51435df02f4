//! `Plugin` objects show what runs; they do not say yet what should. A change that would be without effect is refused.

use async_trait::async_trait;
use gantry_auth::UserInfo;
use gantry_meta::{Cause, CauseType, Object, Status};

use crate::{Attributes, Operation, ValidatingPlugin};

const GROUP: &str = "plugins.gantry.dev";

/// Lets nobody but the server itself write the `spec` of a Plugin.
pub struct PluginDeclaration;

#[async_trait]
impl ValidatingPlugin for PluginDeclaration {
    fn name(&self) -> &'static str {
        "PluginDeclaration"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        matches!(attributes.operation, Operation::Create | Operation::Update)
            && attributes.is(GROUP, "plugins")
            && attributes.user.name != UserInfo::loopback().name
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let spec = |object: Option<&Object>| object.and_then(|object| object.get("spec")).cloned();
        if old.is_some() && spec(object) == spec(old) {
            return Ok(());
        }
        let why = "not supported: declaring, pinning and disabling plugins through the API; the server loads those in its \
                   plugin folder (gantry server --plugin-dir)";
        let cause = Cause::new(CauseType::FieldValueForbidden, "spec", why);
        Err(Status::invalid(GROUP, "Plugin", attributes.name, vec![cause]))
    }
}

#[cfg(test)]
mod tests {
    use gantry_meta::GroupVersionResource;
    use serde_json::{Value, json};

    use super::*;

    async fn update(user: &UserInfo, old: Value, new: Value) -> Result<(), u16> {
        let resource = GroupVersionResource::new(GROUP, "v1", "plugins");
        let attributes = Attributes {
            operation: Operation::Update,
            resource: &resource,
            subresource: "",
            namespace: "",
            name: "node-name",
            user,
            dry_run: false,
        };
        if !PluginDeclaration.handles(&attributes) {
            return Ok(());
        }
        PluginDeclaration.validate(&attributes, new.as_object(), old.as_object()).await.map_err(|status| status.code)
    }

    #[tokio::test]
    async fn only_the_server_says_what_runs_but_anybody_may_label_it() {
        let (admin, server) = (UserInfo::new("admin", &["system:masters"]), UserInfo::loopback());
        let old = json!({"metadata": {}, "spec": {"digest": "sha256:1"}});
        let pinned = json!({"metadata": {}, "spec": {"digest": "sha256:2"}});
        let labelled = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"digest": "sha256:1"}});
        assert_eq!(update(&admin, old.clone(), pinned.clone()).await, Err(422));
        assert_eq!(update(&server, old.clone(), pinned).await, Ok(()));
        assert_eq!(update(&admin, old, labelled).await, Ok(()));
    }
}
