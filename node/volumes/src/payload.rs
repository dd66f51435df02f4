//! What a volume of files contains: paths, bytes and modes, from ConfigMaps, Secrets and lists of items.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath, Secret};
use thiserror::Error;

/// One file of a volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    pub content: Vec<u8>,
    pub mode: u32,
}

/// Files by their path relative to the volume. Later insertions win, as in projected volumes.
pub type Payload = BTreeMap<String, File>;

/// The default of `defaultMode` for every volume of files.
pub const DEFAULT_MODE: u32 = 0o644;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PayloadError {
    /// An item names a key that the source lacks.
    #[error("references non-existent {what} key: {key}")]
    MissingKey { what: &'static str, key: String },
    /// An item's path is absolute or climbs out of the volume.
    #[error("invalid path {0:?}")]
    InvalidPath(String),
}

/// Numbers of the API are signed; a mode out of range falls back to the default.
pub fn mode(value: Option<i32>, default: u32) -> u32 {
    value.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(default) & 0o7777
}

/// The files of a ConfigMap: all keys, or those that `items` picks. `optional`: missing keys are left out.
pub fn from_config_map(
    map: &ConfigMap,
    items: Option<&[KeyToPath]>,
    default_mode: u32,
    optional: bool,
) -> Result<Payload, PayloadError> {
    let text = map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    select(text.chain(binary).collect(), items, default_mode, optional, "config")
}

/// The files of a Secret, as [`from_config_map`].
pub fn from_secret(
    secret: &Secret,
    items: Option<&[KeyToPath]>,
    default_mode: u32,
    optional: bool,
) -> Result<Payload, PayloadError> {
    let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    select(data, items, default_mode, optional, "secret")
}

fn select(
    data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    default_mode: u32,
    optional: bool,
    what: &'static str,
) -> Result<Payload, PayloadError> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        let file = |(path, content)| (path, File { content, mode: default_mode });
        return Ok(data.into_iter().map(file).collect());
    };
    let mut payload = Payload::new();
    for item in items {
        let path = checked_path(&item.path)?;
        match data.get(&item.key).cloned() {
            Some(content) => {
                payload.insert(path, File { content, mode: mode(item.mode, default_mode) });
            }
            None if optional => {}
            None => return Err(PayloadError::MissingKey { what, key: item.key.clone() }),
        }
    }
    Ok(payload)
}

/// A path that stays in its volume.
pub fn checked_path(path: &str) -> Result<String, PayloadError> {
    let climbs = path.split('/').any(|part| part == "..");
    if path.is_empty() || path.starts_with('/') || climbs || path.starts_with("..") {
        return Err(PayloadError::InvalidPath(path.into()));
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ConfigMap {
        let data = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        ConfigMap { data: Some(data.into()), ..Default::default() }
    }

    fn item(key: &str, path: &str) -> KeyToPath {
        KeyToPath { key: key.into(), path: path.into(), mode: Some(0o400) }
    }

    #[test]
    fn items_pick_keys_and_modes() {
        let payload = from_config_map(&map(), Some(&[item("b", "x/y")]), 0o644, false).expect("selected");
        assert_eq!(payload, Payload::from([("x/y".into(), File { content: b"2".into(), mode: 0o400 })]));
        assert_eq!(from_config_map(&map(), None, 0o600, false).expect("all").len(), 2);
    }

    #[test]
    fn a_missing_key_is_an_error_unless_optional() {
        let missing = [item("c", "c")];
        let error = from_config_map(&map(), Some(&missing), 0o644, false);
        assert_eq!(error, Err(PayloadError::MissingKey { what: "config", key: "c".into() }));
        assert!(from_config_map(&map(), Some(&missing), 0o644, true).expect("none").is_empty());
    }

    #[test]
    fn paths_may_not_leave_the_volume() {
        assert!(checked_path("../x").is_err() && checked_path("/x").is_err() && checked_path("a/../b").is_err());
        assert_eq!(checked_path("a/b"), Ok("a/b".into()));
    }
}
