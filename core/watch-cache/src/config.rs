//! Which resources a cache holds and how much history it keeps.

use std::{fmt, sync::Arc, time::Duration};

use gantry_storage::{Key, Shard};

use crate::{AttributeExtractor, NoFields};

/// One resource as the cache needs to know it.
#[derive(Clone)]
pub struct ResourceConfig {
    /// `/<group>/<resource>/`; see [`Key::resource_prefix`].
    pub prefix: Box<str>,
    pub shard: Shard,
    /// How stored values begin: `{"kind":K,"apiVersion":V,"metadata":{`. `"resourceVersion":"N",` is spliced in right after.
    pub wire_prefix: Box<[u8]>,
    pub attributes: Arc<dyn AttributeExtractor>,
}

impl ResourceConfig {
    /// A durable resource without selectable fields. `api_version` and `kind` are those of the stored form.
    pub fn new(group: &str, resource: &str, api_version: &str, kind: &str) -> Self {
        let wire_prefix = format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"#);
        Self {
            prefix: Key::resource_prefix(group, resource).into(),
            shard: Shard::Durable,
            wire_prefix: wire_prefix.into_bytes().into(),
            attributes: Arc::new(NoFields),
        }
    }

    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    #[must_use]
    pub fn attributes(mut self, attributes: Arc<dyn AttributeExtractor>) -> Self {
        self.attributes = attributes;
        self
    }
}

impl fmt::Debug for ResourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceConfig")
            .field("prefix", &self.prefix)
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}

/// Tunables, with the values for production as the default.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// How far back lists and watches may reach at least, while `history_bytes` suffices. The floor moves every fifth of it.
    pub history: Duration,
    /// Superseded versions that one resource may keep alive, in bytes of JSON, before its floor is moved early.
    pub history_bytes: usize,
    /// How long consistent reads and writes wait for the feed before they give up.
    pub lag_max: Duration,
    /// How often the cache is compared with storage.
    pub self_check: Duration,
    /// First and longest pause between attempts to reach storage.
    pub back_off: (Duration, Duration),
    /// Whether this cache moves the floor of storage too, not only its own.
    pub compact_storage: bool,
    /// How long objects of [`Shard::Events`] live.
    pub events_ttl: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            history: Duration::from_secs(300),
            history_bytes: 128 << 20,
            lag_max: Duration::from_secs(3),
            self_check: Duration::from_secs(300),
            back_off: (Duration::from_millis(20), Duration::from_secs(1)),
            compact_storage: true,
            events_ttl: Duration::from_secs(3600),
        }
    }
}
