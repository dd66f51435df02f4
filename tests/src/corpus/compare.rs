//! Differences between what was recorded and what was answered.

use std::collections::BTreeSet;

use serde_json::Value;

/// One line a difference, with the place as a pointer.
pub(super) fn differences(want: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(want, got, "", &mut found);
    found
}

fn compare(want: &Value, got: &Value, at: &str, found: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(wanted), Value::Object(given)) => {
            for key in wanted.keys().chain(given.keys()).collect::<BTreeSet<_>>() {
                let place = format!("{at}/{key}");
                match (wanted.get(key), given.get(key)) {
                    (Some(want), Some(got)) => compare(want, got, &place, found),
                    (Some(want), None) => found.push(format!("{place}: missing, want {}", short(want))),
                    (None, got) => found.push(format!("{place}: unexpected {}", got.map(short).unwrap_or_default())),
                }
            }
        }
        (Value::Array(wanted), Value::Array(given)) => {
            if wanted.len() != given.len() {
                found.push(format!("{at}: want {} elements, got {}", wanted.len(), given.len()));
            }
            for (index, (want, got)) in wanted.iter().zip(given).enumerate() {
                compare(want, got, &format!("{at}/{index}"), found);
            }
        }
        (want, got) if want == got => {}
        (want, got) => found.push(format!("{at}: want {}, got {}", short(want), short(got))),
    }
}

fn short(value: &Value) -> String {
    const LONGEST: usize = 160;
    let text = value.to_string();
    text.char_indices().nth(LONGEST).map_or_else(|| text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_difference_is_named_with_its_place() {
        let found = differences(&json!({"a": [1, 2], "b": 1}), &json!({"a": [1.0], "c": true}));
        assert_eq!(
            found,
            ["/a: want 2 elements, got 1", "/a/0: want 1, got 1.0", "/b: missing, want 1", "/c: unexpected true"]
        );
        assert!(differences(&json!({"a": null}), &json!({"a": null})).is_empty());
    }
}
