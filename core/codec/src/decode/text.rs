//! What is done to the text of a JSON body before it is parsed.

use crate::DecodeError;
use std::borrow::Cow;

/// Deeper bodies are refused before anything is built, whether their fields are known or not.
const MAX_TEXT_DEPTH: usize = 10_000;

/// Counts brackets outside strings.
pub(super) fn check_depth(body: &[u8]) -> Result<(), DecodeError> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < body.len() {
        match body[at] {
            b'"' => at = string_end(body, at + 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_TEXT_DEPTH {
            return Err(DecodeError::TooDeep(MAX_TEXT_DEPTH));
        }
        at += 1;
    }
    Ok(())
}

/// The index of the quote that ends the string whose content starts at `from`, or the end of the body.
fn string_end(body: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &body[at.min(body.len())..]) {
        if body[at + next] == b'"' {
            return at + next;
        }
        at += next + 2;
    }
    body.len()
}

/// The body as UTF-8: bytes that are none, and escaped halves of surrogate pairs, become U+FFFD as in the reference.
pub(super) fn readable(body: &[u8]) -> Cow<'_, str> {
    // Good text is seen to be so much faster than it is mended.
    let text = str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    if has_surrogate_escape(text.as_bytes()) { mend_surrogates(&text).into() } else { text }
}

fn has_surrogate_escape(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"\\u").any(|at| matches!(text.get(at + 2), Some(b'd' | b'D')))
}

fn mend_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            _ => rest.chars().take(2).map(char::len_utf8).sum(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// The value of a `\uDXXX` escape at the start of the text, if it is half of a surrogate pair.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|code| (0xD800..=0xDFFF).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        let mended = readable(br#"{"a":"\ud800x","b":"\ud83d\ude00","c":"\\ud800","d":"\udc00"}"#);
        assert_eq!(mended, r#"{"a":"\ufffdx","b":"\ud83d\ude00","c":"\\ud800","d":"\ufffd"}"#);
        assert_eq!(readable(b"a\xff"), "a\u{fffd}");
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_depth() {
        let quoted = format!(r#"{{"a":"{}\"{{","b":[]}}"#, "[".repeat(20_000));
        assert!(check_depth(quoted.as_bytes()).is_ok());
        assert!(check_depth("[".repeat(10_001).as_bytes()).is_err());
        assert!(check_depth(b"\"\\").is_ok());
    }
}
