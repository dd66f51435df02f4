//! JSON pointers into answers.

use serde_json::Value;

fn parts(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn child<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        Value::Object(members) => members.get(part),
        _ => None,
    }
}

/// What stands there; `None` for null as well.
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    let found = parts(pointer).iter().try_fold(value, |value, part| child(value, part));
    found.filter(|value| !value.is_null())
}

pub(super) fn at_mut<'v>(value: &'v mut Value, pointer: &str) -> Option<&'v mut Value> {
    parts(pointer).iter().try_fold(value, |value, part| match value {
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        Value::Object(members) => members.get_mut(part),
        _ => None,
    })
}

/// Takes away what stands there; `*` in it stands for every item or member.
pub(super) fn remove(value: &mut Value, pointer: &str) {
    remove_parts(value, &parts(pointer));
}

fn remove_parts(value: &mut Value, parts: &[String]) {
    match (parts, value) {
        ([], _) => {}
        ([star, rest @ ..], Value::Array(items)) if star == "*" && !rest.is_empty() => {
            items.iter_mut().for_each(|item| remove_parts(item, rest));
        }
        ([star, rest @ ..], Value::Object(members)) if star == "*" && !rest.is_empty() => {
            members.values_mut().for_each(|member| remove_parts(member, rest));
        }
        ([leaf], Value::Object(members)) => _ = members.remove(leaf),
        ([leaf], Value::Array(items)) => {
            if let Some(index) = leaf.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        ([first, rest @ ..], Value::Object(members)) => {
            members.get_mut(first).into_iter().for_each(|member| remove_parts(member, rest));
        }
        ([first, rest @ ..], Value::Array(items)) => {
            let item = first.parse().ok().and_then(|index: usize| items.get_mut(index));
            item.into_iter().for_each(|item| remove_parts(item, rest));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_star_stands_for_every_item() {
        let mut value = json!({"items": [{"a": 1, "b": 2}, {"a": 3}], "c/d": null});
        remove(&mut value, "/items/*/a");
        assert_eq!(value, json!({"items": [{"b": 2}, {}], "c/d": null}));
        remove(&mut value, "/c~1d");
        assert_eq!(at(&value, "/items/0/b"), Some(&json!(2)));
        assert_eq!(value, json!({"items": [{"b": 2}, {}]}));
    }
}
