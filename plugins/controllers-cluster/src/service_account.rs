//! Every namespace has a service account called `default`.

use gantry_plugin::{
    Controller, Cx, Event, Failure, HostRef, Key, NoConfig, Ops, Outcome, Plugin, Reader, Watch,
    resource::{NAMESPACES, SERVICE_ACCOUNTS},
};
use serde_json::json;

const DEFAULT: &str = "default";

/// Named as upstream names it: its account carries the name.
pub struct ServiceAccountController;

impl Plugin for ServiceAccountController {
    const ID: &'static str = "service-account-controller";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for ServiceAccountController {
    const WATCHES: &'static [Watch] = &[Watch::primary(NAMESPACES), Watch::mapped(SERVICE_ACCOUNTS).metadata_only()];

    fn map(&self, _: &Cx<'_>, event: &Event<'_>, _: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let gone = event.old.filter(|o| event.new.is_none() && o.name == DEFAULT);
        Ok(gone.map(|o| Key::of("", o.namespace)).into_iter().collect())
    }

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(namespace) = read.find(&NAMESPACES, "", &key.name)? else { return Ok(Outcome::Done) };
        let there = read.find(&SERVICE_ACCOUNTS, &key.name, DEFAULT)?.is_some();
        if !there && !namespace.metadata()?.is_terminating() {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": DEFAULT, "namespace": key.name}});
            ops.create(&SERVICE_ACCOUNTS, &key.name, &account).ignore_exists().done();
        }
        Ok(Outcome::Done)
    }
}
