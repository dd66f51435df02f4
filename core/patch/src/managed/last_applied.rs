//! The annotation in which client-side apply keeps its last configuration.

use gantry_kinds::Type;
use gantry_meta::{Object, ObjectView as _, Value};

use super::{
    compare::compare,
    extract::field_set,
    set::{FieldSet, Marks},
};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The configuration that client-side apply left, if it is of this version.
pub(super) fn configuration(live: &Object, api_version: &str) -> Option<Object> {
    let text = live.annotations()?.get(ANNOTATION)?.as_str()?;
    let config: Object = serde_json::from_str(text).ok()?;
    (config.api_version() == api_version).then_some(config)
}

/// Fields of that configuration which nobody changed since: an applier that takes over may change them.
pub(super) fn still_live<'a>(ty: &'a Type, config: &'a Object, live: &'a Object) -> FieldSet<'a> {
    let mut set = field_set(ty, config);
    let changes = compare(ty, config, live);
    for marks in [Marks::MODIFIED, Marks::ADDED, Marks::REMOVED] {
        set.subtract(&changes, marks);
    }
    set
}

/// Keeps the annotation, where there is one, in step with what was applied.
pub(super) fn rewrite(object: &mut Object, config: &Object) {
    if object.annotations().is_none_or(|annotations| !annotations.contains_key(ANNOTATION)) {
        return;
    }
    let mut applied = config.clone();
    if let Some(Value::Object(annotations)) = applied.metadata_mut().get_mut("annotations") {
        annotations.remove(ANNOTATION);
    }
    let text = Value::Object(applied).to_string() + "\n";
    if let Some(Value::Object(annotations)) = object.metadata_mut().get_mut("annotations") {
        annotations.insert(ANNOTATION.to_owned(), Value::from(text));
    }
}
