//! What every plugin has.

use serde::de::DeserializeOwned;

use crate::host::HostRef;

/// One configured plugin. The host makes an instance, calls its hooks from several threads, and makes a fresh one after a
/// panic.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Unique in a cluster: `example.com/binpack`.
    const ID: &'static str;
    /// Semantic version; that of the crate: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    /// JSON Schema (2020-12) of the configuration. The host refuses a configuration that does not satisfy it.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","additionalProperties":false}"#;
    /// What the configuration is read into. For none: [`NoConfig`].
    type Config: DeserializeOwned;

    /// # Errors
    /// Why the plugin cannot work so configured, for the operator.
    fn new(host: HostRef<'_>, config: Self::Config) -> Result<Self, String>;
}

/// The configuration of a plugin that has none: an empty object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}
