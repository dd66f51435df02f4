//! Paths into objects, as kubectl writes them: `.spec.items[0].name`, `..name`, `['a key']`, `[?(@.x==1)]`.

use crate::field::{Causes, Field};

/// [`Causes::invalid`] for a text that is no path.
pub fn json_path(field: &Field<'_>, causes: &mut Causes) {
    let text = format!("{}}}", field.text().trim());
    if !is_path(&text) {
        causes.invalid(field, "invalid JSONPath");
    }
}

/// Steps up to a closing brace; after it text, and perhaps further steps in braces.
fn is_path(text: &str) -> bool {
    let (mut rest, mut descends) = (text, false);
    while !rest.starts_with('}') {
        let now = rest.starts_with("..");
        match step(rest) {
            Some(next) if !(now && descends) => rest = next,
            _ => return false,
        }
        descends = now;
    }
    rest.split_once('{').is_none_or(|(_, more)| is_path(more))
}

/// What follows one step; `None` if there is no step.
fn step(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let after = &text[first.len_utf8()..];
    match first {
        '.' if after.starts_with('.') => Some(after.strip_prefix('.')?),
        '[' if after.starts_with("?(") => after.split_once(")]").map(|(_, rest)| rest),
        ' ' | '@' | '$' => Some(after),
        '[' => {
            let (inside, rest) = after.split_once(']')?;
            let fits = !inside.contains('\n') && inside.split(',').all(|one| is_index(one.trim_matches(' ')));
            fits.then_some(rest)
        }
        '"' | '\'' => quoted(after, first),
        '.' => Some(after_name(after)),
        '+' | '-' | '0'..='9' => {
            let end = after.find(|c: char| c != '.' && !c.is_ascii_digit())?;
            let number = &text[..first.len_utf8() + end];
            number.parse::<f64>().is_ok().then_some(&after[end..])
        }
        _ if first.is_alphanumeric() || first == '_' => Some(after_name(after)),
        _ => None,
    }
}

/// What follows a name, in which a backslash takes the next letter along.
fn after_name(text: &str) -> &str {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            ' ' | '\n' | '\r' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}' => return &text[at..],
            _ => {}
        }
    }
    ""
}

fn quoted(text: &str, quote: char) -> Option<&str> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            '\n' => return None,
            _ if letter == quote => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

/// `*`, `'key'`, or numbers with up to two colons.
fn is_index(text: &str) -> bool {
    let is_key = text.len() >= 2 && text.starts_with('\'') && text.ends_with('\'') && text.matches('\'').count() == 2;
    let is_number = |part: &str| part.strip_prefix('-').unwrap_or(part).bytes().all(|b| b.is_ascii_digit());
    text == "*" || is_key || (text.split(':').count() <= 3 && text.split(':').all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_steps_that_close_what_they_open() {
        for fine in ["spec.validations[0].expression", ".a..b", "['a key'].x", "$.a[*].b[1:2,3]", "[?(@.x==1)].y", ""] {
            assert!(is_path(&format!("{fine}}}")), "{fine}");
        }
        for bad in ["%", ".a[", "a['b", ".a[x]", "\"open", "..  ..a....b", "-", "a[1:2:3:4]"] {
            assert!(!is_path(&format!("{bad}}}")), "{bad}");
        }
    }
}
