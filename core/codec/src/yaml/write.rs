//! YAML out, character by character as the reference writes it: block style, names in natural order, lists at their parent's
//! indent, long texts folded.

use super::{order, style::Style};
use gantry_meta::Value;
use std::fmt::Write as _;

/// Texts are folded at the first space behind this column.
const WIDTH: usize = 80;
/// How much deeper a mapping lies than the one it is in, and a folded text than what it belongs to.
const INDENT: usize = 2;
/// In bytes. Longer names are written as `? name`.
const SIMPLE_KEY_MAX: usize = 128;

/// The value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut writer = Writer::default();
    if is_block(value) {
        writer.block(value, 0, true);
    } else {
        writer.inline(value, 0);
    }
    writer.out.push('\n');
    // A text that keeps its last line breaks has written them.
    if writer.is_at_line_start {
        writer.out.pop();
    }
    writer.out
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    /// In characters, from the start of the line.
    column: usize,
    /// The line's break has been written with the text before.
    is_at_line_start: bool,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
        self.is_at_line_start = false;
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
        self.is_at_line_start = false;
    }

    /// Begins a line.
    fn line(&mut self, indent: usize) {
        if !self.is_at_line_start {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
        self.is_at_line_start = false;
    }

    /// A list or mapping, line by line. `begun`: it goes on in the line that is there.
    fn block(&mut self, value: &Value, indent: usize, begun: bool) {
        let mut begun = begun;
        let mut next = |writer: &mut Self| {
            if !std::mem::take(&mut begun) {
                writer.line(indent);
            }
        };
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by(|(a, _), (b, _)| order::natural(a, b));
                for (name, member) in members {
                    next(self);
                    self.member(name, member, indent);
                }
            }
            Value::Array(items) => {
                for item in items {
                    next(self);
                    self.put("- ");
                    self.item(item, indent);
                }
            }
            _ => unreachable!("only lists and mappings are blocks"),
        }
    }

    fn item(&mut self, item: &Value, indent: usize) {
        if is_block(item) {
            self.block(item, indent + INDENT, true);
        } else {
            self.inline(item, indent + INDENT);
        }
    }

    fn member(&mut self, name: &str, member: &Value, indent: usize) {
        if name.len() > SIMPLE_KEY_MAX || name.contains('\n') {
            self.put("? ");
            self.text(name, indent + INDENT);
            self.line(indent);
            self.put(": ");
            return self.item(member, indent);
        }
        self.simple_key(name);
        self.put(":");
        if is_block(member) {
            let inner = if member.is_array() { indent } else { indent + INDENT };
            self.block(member, inner, false);
        } else {
            self.put(" ");
            self.inline(member, indent + INDENT);
        }
    }

    /// What has no lines of its own, but for texts. `indent`: of their further lines.
    fn inline(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(_) => self.put("{}"),
            Value::Array(_) => self.put("[]"),
            Value::String(words) => self.text(words, indent),
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) => self.put(&order::float(float)),
                None => self.put(&number.to_string()),
            },
            other => self.put(&other.to_string()),
        }
    }

    fn simple_key(&mut self, name: &str) {
        match Style::of(name) {
            Style::Plain => self.put(name),
            Style::Single => self.single(name, None),
            Style::Double | Style::Literal => self.double(name, None),
        }
    }

    fn text(&mut self, words: &str, indent: usize) {
        match Style::of(words) {
            Style::Plain => self.folded(words, Some(indent), |writer, c| writer.put_char(c)),
            Style::Single => self.single(words, Some(indent)),
            Style::Double => self.double(words, Some(indent)),
            Style::Literal => self.literal(words, indent),
        }
    }

    fn single(&mut self, words: &str, indent: Option<usize>) {
        self.put("'");
        self.folded(words, indent, |writer, c| {
            if c == '\'' {
                writer.put_char(c);
            }
            writer.put_char(c);
        });
        self.put("'");
    }

    /// A text without breaks. Where it is too long a single space between words becomes a break.
    fn folded(&mut self, words: &str, indent: Option<usize>, put: impl Fn(&mut Self, char)) {
        let mut characters = words.chars().peekable();
        let mut after_space = true;
        while let Some(c) = characters.next() {
            let ends_word = c == ' ' && !after_space && characters.peek().is_some_and(|next| *next != ' ');
            after_space = c == ' ';
            match indent.filter(|_| ends_word && self.column > WIDTH) {
                Some(indent) => self.line(indent),
                None => put(self, c),
            }
        }
    }

    fn double(&mut self, words: &str, indent: Option<usize>) {
        self.put("\"");
        let mut characters = words.chars().peekable();
        // The first character is never folded.
        let mut after_space = true;
        while let Some(c) = characters.next() {
            let folds = c == ' ' && !after_space && characters.peek().is_some();
            after_space = c == ' ';
            match indent.filter(|_| folds && self.column > WIDTH) {
                Some(indent) => {
                    self.line(indent);
                    if characters.peek() == Some(&' ') {
                        self.put("\\");
                    }
                }
                None => self.escaped(c),
            }
        }
        self.put("\"");
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            c if super::style::is_printable(c) => return self.put_char(c),
            c => return self.coded(c.into()),
        };
        self.put_char('\\');
        self.put_char(short);
    }

    fn coded(&mut self, code: u32) {
        let mut digits = String::new();
        let written = match code {
            0..=0xFF => write!(digits, "\\x{code:02X}"),
            0x100..=0xFFFF => write!(digits, "\\u{code:04X}"),
            _ => write!(digits, "\\U{code:08X}"),
        };
        written.expect("a String takes everything");
        self.put(&digits);
    }

    /// Lines as they are, behind a mark of what begins and ends them.
    fn literal(&mut self, words: &str, indent: usize) {
        let lines = words.trim_end_matches('\n');
        self.put("|");
        if words.starts_with([' ', '\n']) {
            self.put("2");
        }
        match words.len() - lines.len() {
            0 => self.put("-"),
            1 if !lines.is_empty() => {}
            _ => self.put("+"),
        }
        for line in words.strip_suffix('\n').unwrap_or(words).split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.out.push_str(line);
            }
        }
        if words.ends_with('\n') {
            self.out.push('\n');
            self.is_at_line_start = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{problems::Problems, yaml::from_yaml};
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

    #[test]
    fn texts_are_quoted_as_little_as_they_can_be() {
        let cases = [
            ("*/5 * * * *", "'*/5 * * * *'"),
            ("it's: so", "'it''s: so'"),
            ("a # b", "'a # b'"),
            ("5", "\"5\""),
            ("2024-5-6", "\"2024-5-6\""),
            ("1:30", "\"1:30\""),
            ("tab\tbed", "\"tab\\tbed\""),
            ("\u{1F600}", "\"\\U0001F600\""),
            ("", "\"\""),
            (" a", "' a'"),
            (" a\nb", "|2-\n   a\n  b"),
            ("a \nb", "\"a \\nb\""),
            ("a\n\n", "|+\n  a\n"),
            ("é-x:y#z", "é-x:y#z"),
        ];
        for (text, written) in cases {
            assert_eq!(to_yaml(&json!({"k": text})), format!("k: {written}\n"), "{text:?}");
        }
    }

    #[test]
    fn long_texts_go_on_in_the_next_line_at_a_space() {
        let words = "abcdefghi ".repeat(9);
        let expected = format!("k: {}\n  abcdefghi\n", "abcdefghi ".repeat(8).trim_end());
        assert_eq!(to_yaml(&json!({"k": words.trim_end()})), expected);
        let quoted = format!("- '{}", "*bcdefghi ".repeat(8).trim_end());
        let items = json!([format!("{}*", "*bcdefghi ".repeat(8))]);
        assert_eq!(to_yaml(&items), format!("{quoted}\n  *'\n"));
    }

    #[test]
    fn long_names_are_marked_and_names_with_numbers_are_in_natural_order() {
        let long = "k".repeat(129);
        let mut value = json!({"a10": 1, "a9": {"b": 0.5}, "a-b": 1e30});
        value[&long] = json!({"x": 1, "z": 2});
        let expected = format!("a-b: 1e+30\na9:\n  b: 0.5\na10: 1\n? {long}\n: x: 1\n  z: 2\n");
        assert_eq!(to_yaml(&value), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            ".*",
            "[-a-z:# {}\\[\\]'\"|>&*!%@`,.0-9~=<?\n\t]{0,12}",
            "[a-z '#]{150}",
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
