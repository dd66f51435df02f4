//! The annotation in which client-side apply keeps its last configuration.

use gantry_kinds::Type;
use gantry_meta::{Object, ObjectView as _, Value};

use super::{
    check::check,
    compare::{Unsaid, compare},
    extract::field_set,
};
use crate::engine::{FieldSet, Marks};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Of names and values together, as validation counts them.
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// The configuration that client-side apply left, if it is one of this version that could be applied.
pub(super) fn configuration(ty: &Type, live: &Object, api_version: &str) -> Option<Object> {
    let text = live.annotations()?.get(ANNOTATION)?.as_str()?;
    let config: Object = serde_json::from_str(text).ok()?;
    (config.api_version() == api_version && check(ty, &config).is_ok()).then_some(config)
}

/// Fields of that configuration which nobody changed since: an applier that takes over may change them.
pub(super) fn still_live<'a>(ty: &'a Type, config: &'a Object, live: &'a Object) -> FieldSet<'a> {
    let mut set = field_set(ty, config);
    let changes = compare(ty, config, live, Unsaid::Absent);
    for marks in [Marks::MODIFIED, Marks::ADDED, Marks::REMOVED] {
        set.subtract(&changes, marks);
    }
    set
}

/// Keeps the annotation, where there is one, in step with what was applied. One that annotations have no room for goes.
pub(super) fn rewrite(object: &mut Object, config: &Object) {
    let has_text = |annotations: &Object| annotations.get(ANNOTATION).is_some_and(|text| text != "");
    if !object.annotations().is_some_and(has_text) {
        return;
    }
    let text = text_of(config);
    let Some(Value::Object(annotations)) = object.metadata_mut().get_mut("annotations") else { return };
    let others = annotations.iter().filter(|(name, _)| *name != ANNOTATION);
    let size: usize = others.map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size + ANNOTATION.len() + text.len() > MAX_ANNOTATION_BYTES {
        annotations.remove(ANNOTATION);
    } else {
        annotations.insert(ANNOTATION.to_owned(), Value::from(text));
    }
}

/// The configuration without that annotation, as the reference writes JSON: for HTML.
fn text_of(config: &Object) -> String {
    let mut applied = config.clone();
    if let Some(metadata) = applied.get_mut("metadata").and_then(Value::as_object_mut) {
        match metadata.get_mut("annotations") {
            Some(Value::Object(annotations)) if annotations.values().all(Value::is_string) => {
                annotations.remove(ANNOTATION);
            }
            Some(_) => _ = metadata.remove("annotations"),
            None => {}
        }
    }
    let mut text = String::new();
    for c in Value::Object(applied).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_annotation_is_written_for_html_and_without_itself() {
        let config = json!({"metadata": {"name": "a", "annotations": {"x": "<&>", ANNOTATION: "{}"}}});
        let mut live = object(json!({"metadata": {"name": "a", "annotations": {"x": "<&>", ANNOTATION: "{}"}}}));
        rewrite(&mut live, &object(config));
        let text = "{\"metadata\":{\"annotations\":{\"x\":\"\\u003c\\u0026\\u003e\"},\"name\":\"a\"}}\n";
        assert_eq!(live["metadata"]["annotations"][ANNOTATION], text);
    }

    #[test]
    fn an_annotation_that_there_is_no_room_for_goes() {
        let config = object(json!({"data": {"k": "x".repeat(MAX_ANNOTATION_BYTES)}}));
        let mut live = object(json!({"metadata": {"annotations": {"x": "y", ANNOTATION: "{}"}}}));
        rewrite(&mut live, &config);
        assert_eq!(live["metadata"]["annotations"], json!({"x": "y"}));
    }
}
