//! YAML out: block style, names sorted, lists at their parent's indent, quotes only where a word would change its meaning.

use super::scalar;
use gantry_meta::Value;

/// The value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => block(value, 0, false, &mut out),
        Value::Array(items) if !items.is_empty() => block(value, 0, false, &mut out),
        other => {
            inline(other, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn indent(columns: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// Writes a list or mapping line by line. `begun`: the first line's indent is already there, after a `- `.
fn block(value: &Value, columns: usize, begun: bool, out: &mut String) {
    match value {
        Value::Object(members) => {
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 || !begun {
                    indent(columns, out);
                }
                text(name, out);
                out.push(':');
                after_colon(member, columns, out);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 || !begun {
                    indent(columns, out);
                }
                out.push_str("- ");
                if is_block(item) {
                    block(item, columns + 2, true, out);
                } else {
                    inline(item, columns, out);
                    out.push('\n');
                }
            }
        }
        _ => unreachable!("only lists and mappings are blocks"),
    }
}

fn after_colon(value: &Value, columns: usize, out: &mut String) {
    if !is_block(value) {
        out.push(' ');
        inline(value, columns, out);
        out.push('\n');
        return;
    }
    out.push('\n');
    block(value, if value.is_array() { columns } else { columns + 2 }, false, out);
}

fn inline(value: &Value, columns: usize, out: &mut String) {
    match value {
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(words) if is_literal(words) => literal(words, columns + 2, out),
        Value::String(words) => text(words, out),
        other => out.push_str(&other.to_string()),
    }
}

/// Several lines that a literal block keeps as they are.
fn is_literal(words: &str) -> bool {
    words.contains('\n')
        && !words.starts_with([' ', '\n'])
        && words.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{feff}'))
        && !words.contains(" \n")
        && !words.ends_with(' ')
        && !words.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

fn literal(words: &str, columns: usize, out: &mut String) {
    let body = words.trim_end_matches('\n');
    out.push_str(match words.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    let lines = if words.len() > body.len() + 1 { &words[..words.len() - 1] } else { body };
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(columns, out);
            out.push_str(line);
        }
    }
}

fn text(words: &str, out: &mut String) {
    if is_plain(words) {
        out.push_str(words);
    } else {
        out.push_str(&serde_json::to_string(words).expect("text always serialises"));
    }
}

/// A word that needs no quotes anywhere in a block document.
fn is_plain(words: &str) -> bool {
    let first_is_free = !words.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`= ".contains(c));
    let starts_well = first_is_free
        || (words.len() > 1 && words.starts_with('-') && !words.starts_with("- ") && !words.starts_with("---"));
    starts_well
        && !words.ends_with([' ', ':'])
        && !words.contains(": ")
        && !words.contains(" #")
        && words.chars().all(|c| !c.is_control() && !"\u{feff}\u{85}\u{2028}\u{2029}".contains(c))
        && !words.starts_with("...")
        && !scalar::is_ambiguous(words)
        && !looks_like_date(words)
}

/// Readers of other languages take an unquoted date for a timestamp.
fn looks_like_date(words: &str) -> bool {
    words.len() >= 8 && words.starts_with(|c: char| c.is_ascii_digit()) && words.as_bytes()[4] == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::Problems, yaml::from_yaml};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn documents_look_as_kubectl_users_know_them() {
        let value =
            json!({"a": {"b": ["x", {"c": 1, "d": [true]}], "e": {}}, "t": "two\nlines\n", "y": "yes", "z": null});
        let expected =
            "a:\n  b:\n  - x\n  - c: 1\n    d:\n    - true\n  e: {}\nt: |\n  two\n  lines\n\"y\": \"yes\"\nz: null\n";
        assert_eq!(to_yaml(&value), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            ".*",
            "[-a-z:# {}\\[\\]'\"|>&*!%@`,.0-9~=<?\n\t]{0,12}",
            "(y|n|null|0x1|1e3|~|<<|---|2024-05-06)"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(word.clone(), inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(value in any_value()) {
            let text = to_yaml(&value);
            let back = from_yaml(text.as_bytes(), &mut Problems::default());
            prop_assert_eq!(back, Ok(value), "{}", text);
        }
    }
}
