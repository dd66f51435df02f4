//! JSON Patch (RFC 6902), with the leniencies that clients of the reference rely on: `replace` adds a missing member,
//! list indexes may be negative, and `test` for null holds on an absent member.

use gantry_meta::{Object, Value};
use serde::Deserialize;

use crate::PatchError;

/// More operations than this are refused before any is applied.
pub const MAX_OPERATIONS: usize = 10_000;
/// What the `copy` operations of one patch may add up to, as JSON: without it, doubling copies would exhaust memory.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// One operation as sent. Members are optional here, because what is missing is reported when the operation's turn comes.
#[derive(Deserialize, Default)]
struct Operation {
    #[serde(default)]
    op: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    value: Value,
}

/// Applies the operations of `patch` to `object`, all or none. No list at all (null) is an empty one.
///
/// # Errors
/// [`PatchError::Malformed`] if the patch is no list of operations, [`PatchError::TooManyOperations`] beyond
/// [`MAX_OPERATIONS`], [`PatchError::DoesNotFit`] if an operation is unknown, incomplete or fails.
pub fn apply(object: &Object, patch: Value) -> Result<Value, PatchError> {
    let operations = parse(patch)?;
    let mut document = Value::Object(object.clone());
    let mut copied_bytes = 0;
    for operation in operations {
        apply_one(&mut document, operation, &mut copied_bytes)?;
    }
    match document {
        Value::Object(_) | Value::Array(_) => Ok(document),
        _ => Err(PatchError::DoesNotFit("the patch leaves no document".into())),
    }
}

/// One text for each member of an operation that operations do not have.
pub fn unknown_members(patch: &Value) -> Vec<String> {
    let unknown = |(at, operation): (usize, &Value)| {
        let names = operation.as_object().into_iter().flat_map(Object::keys);
        let names = names.filter(|name| !matches!(name.as_str(), "op" | "path" | "from" | "value"));
        names.map(|name| format!("json patch unknown field {:?}", format!("[{at}].{name}"))).collect::<Vec<_>>()
    };
    patch.as_array().into_iter().flatten().enumerate().flat_map(unknown).collect()
}

fn parse(patch: Value) -> Result<Vec<Operation>, PatchError> {
    let malformed = |why: String| PatchError::Malformed(format!("error decoding patch: {why}"));
    let operations = match patch {
        Value::Array(operations) => operations,
        Value::Null => Vec::new(),
        _ => return Err(malformed("a JSON patch is a list of operations".into())),
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { found: operations.len(), max: MAX_OPERATIONS });
    }
    let read = |operation| match operation {
        Value::Null => Ok(Operation::default()),
        operation => serde_json::from_value(operation).map_err(|error| malformed(error.to_string())),
    };
    operations.into_iter().map(read).collect()
}

fn fails(operation: &str, path: &str, why: &str) -> PatchError {
    PatchError::DoesNotFit(format!("{operation} operation does not apply: doc at {path:?}: {why}"))
}

fn apply_one(document: &mut Value, operation: Operation, copied_bytes: &mut usize) -> Result<(), PatchError> {
    let missing = |member: &str| PatchError::DoesNotFit(format!("operation without {member}"));
    let op = operation.op.ok_or_else(|| missing("op"))?;
    let path = operation.path.ok_or_else(|| missing("path"))?;
    let from = || operation.from.ok_or_else(|| missing("from"));
    match op.as_str() {
        "add" => add(document, &op, &path, operation.value),
        "remove" => remove(document, &op, &path).map(|_| ()),
        "replace" => replace(document, &path, operation.value),
        "test" => test(document, &path, &operation.value),
        "move" => {
            let value = remove(document, &op, &from()?)?;
            add(document, &op, &path, value)
        }
        "copy" => {
            let value = get(document, &op, &from()?)?.cloned().unwrap_or_default();
            *copied_bytes = copied_bytes.saturating_add(json_size(&value));
            if *copied_bytes > MAX_COPIED_BYTES {
                return Err(fails("copy", &path, "the copies of this patch are too large"));
            }
            add(document, &op, &path, value)
        }
        unknown => Err(PatchError::DoesNotFit(format!("unexpected kind of operation: {unknown:?}"))),
    }
}

/// Bytes of the value as compact JSON, near enough for a limit (escapes are not counted).
fn json_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + json_size(item)).sum::<usize>(),
        Value::Object(members) => 2 + members.iter().map(|(k, v)| k.len() + 4 + json_size(v)).sum::<usize>(),
    }
}

/// The last segment of a pointer, unescaped, and the place that holds it.
struct Place<'a> {
    container: &'a mut Value,
    key: String,
}

fn unescape(segment: &str) -> String {
    if segment.contains('~') { segment.replace("~1", "/").replace("~0", "~") } else { segment.to_owned() }
}

fn place<'a>(document: &'a mut Value, op: &str, path: &str) -> Result<Place<'a>, PatchError> {
    let Some((parents, last)) = path.rsplit_once('/') else { return Err(fails(op, path, "is no pointer to a member")) };
    let mut container = document;
    for segment in parents.split('/').skip(1) {
        let child = match container {
            Value::Object(members) => members.get_mut(&unescape(segment)),
            Value::Array(items) => index(segment, items.len()).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        container = child.ok_or_else(|| fails(op, path, "missing path"))?;
    }
    match container {
        Value::Object(_) | Value::Array(_) => Ok(Place { container, key: unescape(last) }),
        _ => Err(fails(op, path, "missing path")),
    }
}

/// An index into a list of `length` elements; -1 is the last. `None` if it is no number or out of range below.
fn index(segment: &str, length: usize) -> Option<usize> {
    let at: i64 = segment.parse().ok()?;
    if at >= 0 { usize::try_from(at).ok() } else { length.checked_sub(at.unsigned_abs().try_into().ok()?) }
}

/// `Ok(None)` for an absent member of an object.
fn get<'a>(document: &'a mut Value, op: &str, path: &str) -> Result<Option<&'a Value>, PatchError> {
    let Place { container, key } = place(document, op, path)?;
    match container {
        Value::Object(members) => Ok(members.get(&key)),
        Value::Array(items) => {
            let at = index(&key, items.len()).filter(|&at| at < items.len());
            at.map(|at| Some(&items[at])).ok_or_else(|| fails(op, path, "no such element"))
        }
        _ => unreachable!("place() returns lists and objects only"),
    }
}

fn add(document: &mut Value, op: &str, path: &str, value: Value) -> Result<(), PatchError> {
    let Place { container, key } = place(document, op, path)?;
    match container {
        Value::Object(members) => {
            members.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&key, items.len() + 1).filter(|&at| at <= items.len());
            items.insert(at.ok_or_else(|| fails(op, path, "no such element"))?, value);
        }
        _ => unreachable!("place() returns lists and objects only"),
    }
    Ok(())
}

fn remove(document: &mut Value, op: &str, path: &str) -> Result<Value, PatchError> {
    let Place { container, key } = place(document, op, path)?;
    let removed = match container {
        Value::Object(members) => members.remove(&key),
        Value::Array(items) => index(&key, items.len()).filter(|&at| at < items.len()).map(|at| items.remove(at)),
        _ => None,
    };
    removed.ok_or_else(|| fails(op, path, "nothing to remove"))
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let Place { container, key } = place(document, "replace", path)?;
    match container {
        Value::Object(members) => {
            members.insert(key, value);
        }
        Value::Array(items) => {
            let at = index(&key, items.len()).filter(|&at| at < items.len());
            items[at.ok_or_else(|| fails("replace", path, "no such element"))?] = value;
        }
        _ => unreachable!("place() returns lists and objects only"),
    }
    Ok(())
}

fn test(document: &mut Value, path: &str, expected: &Value) -> Result<(), PatchError> {
    let found = if path.is_empty() { Some(&*document) } else { get(document, "test", path)? };
    match found.unwrap_or(&Value::Null) == expected {
        true => Ok(()),
        false => Err(PatchError::DoesNotFit(format!("testing value {path} failed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(object: Value, patch: Value) -> Result<Value, PatchError> {
        let Value::Object(object) = object else { panic!("the test's object is an object") };
        apply(&object, patch)
    }

    #[test]
    fn operations_apply_in_order() {
        let result = patched(
            json!({"data": {"k1": "v1", "k2": "v2"}}),
            json!([
                {"op": "add", "path": "/data/k3", "value": "v3"},
                {"op": "remove", "path": "/data/k1"},
                {"op": "move", "from": "/data/k2", "path": "/data/a~1b~0"},
                {"op": "copy", "from": "/data/k3", "path": "/data/k4"},
                {"op": "test", "path": "/data/k4", "value": "v3"}
            ]),
        );
        assert_eq!(result, Ok(json!({"data": {"k3": "v3", "k4": "v3", "a/b~": "v2"}})));
    }

    #[test]
    fn lists_take_indexes_the_end_mark_and_negative_indexes() {
        let object = json!({"l": ["a", "b", "c"]});
        let result = patched(
            object.clone(),
            json!([
                {"op": "add", "path": "/l/1", "value": "x"},
                {"op": "add", "path": "/l/-", "value": "z"},
                {"op": "remove", "path": "/l/0"},
                {"op": "replace", "path": "/l/-1", "value": "Z"}
            ]),
        );
        assert_eq!(result, Ok(json!({"l": ["x", "b", "c", "Z"]})));
        for path in ["/l/9", "/l/-9", "/l/x"] {
            for op in ["add", "remove", "replace"] {
                let result = patched(object.clone(), json!([{"op": op, "path": path, "value": "q"}]));
                assert!(matches!(result, Err(PatchError::DoesNotFit(_))), "{op} {path}");
            }
        }
    }

    #[test]
    fn replace_adds_a_missing_member_and_test_for_null_holds_on_one() {
        let result = patched(
            json!({"data": {}}),
            json!([{"op": "test", "path": "/data/k", "value": null}, {"op": "replace", "path": "/data/k", "value": "v"}]),
        );
        assert_eq!(result, Ok(json!({"data": {"k": "v"}})));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for patch in [
            json!([{"op": "remove", "path": "/data/nope"}]),
            json!([{"op": "add", "path": "/nope/x", "value": 1}]),
            json!([{"op": "add", "path": "/data/k/x", "value": 1}]),
            json!([{"op": "move", "from": "/data/nope", "path": "/data/x"}]),
            json!([{"op": "test", "path": "/data/k", "value": "w"}]),
            json!([{"op": "frobnicate", "path": "/data/k"}]),
            json!([{"op": "add", "value": 1}]),
            json!([{"op": "replace", "path": "", "value": "x"}]),
            json!([{"op": "replace", "path": "", "value": null}]),
            json!([{}]),
        ] {
            let result = patched(json!({"data": {"k": "v"}}), patch.clone());
            assert!(matches!(result, Err(PatchError::DoesNotFit(_))), "{patch} gave {result:?}");
        }
    }

    #[test]
    fn documents_that_are_no_lists_of_operations_are_malformed() {
        for patch in [json!({}), json!([1]), json!("x"), json!([{"op": "add", "path": 5}])] {
            assert!(matches!(apply(&Object::new(), patch.clone()), Err(PatchError::Malformed(_))), "{patch}");
        }
    }

    #[test]
    fn null_is_a_patch_without_operations_and_a_null_operation_lacks_all_its_members() {
        assert_eq!(patched(json!({"a": 1}), json!(null)), Ok(json!({"a": 1})));
        assert!(matches!(patched(json!({"a": 1}), json!([null])), Err(PatchError::DoesNotFit(_))));
    }

    #[test]
    fn members_that_operations_do_not_have_are_told() {
        let patch =
            json!([{"op": "add", "path": "/a", "value": {"x": 1}}, {"op": "add", "OP": "remove", "why": null}, 7]);
        let told = ["json patch unknown field \"[1].OP\"", "json patch unknown field \"[1].why\""];
        assert_eq!(unknown_members(&patch), told);
        assert!(unknown_members(&json!({"op": 1, "x": 2})).is_empty());
    }

    #[test]
    fn size_is_bounded_in_operations_and_in_copied_bytes() {
        let many = Value::Array(vec![json!({}); MAX_OPERATIONS + 1]);
        assert!(matches!(apply(&Object::new(), many), Err(PatchError::TooManyOperations { .. })));
        let doubling: Vec<Value> =
            (0..40).map(|i| json!({"op": "copy", "from": "/a", "path": format!("/a/x{i}")})).collect();
        let result = patched(json!({"a": {"k": "v".repeat(100)}}), Value::Array(doubling));
        assert!(matches!(result, Err(PatchError::DoesNotFit(_))));
    }
}
