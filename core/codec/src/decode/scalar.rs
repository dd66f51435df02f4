//! Texts and numbers in their normal form.

use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_meta::{quantity, time};
use std::borrow::Cow;

/// Standard base64 with padding; line breaks are skipped, as the reference does.
pub(super) fn base64(text: &str) -> Option<Cow<'_, str>> {
    let text: Cow<'_, str> =
        if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], "").into() } else { text.into() };
    BASE64_STANDARD.decode(text.as_bytes()).ok()?;
    Some(text)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A quantity in the form it is stored in.
pub(super) fn quantity(text: &str, in_resource_list: bool) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if in_resource_list { quantity::normalise_resource(text).ok() } else { quantity::normalise(text).ok() }
}

/// `2006-01-02T15:04:05` with any fraction and an offset, as UTC in whole seconds.
pub(super) fn time(text: &str) -> Option<String> {
    is_rfc3339(text).then_some(())?;
    time::normalise_time(text)
}

/// As [`time`], with exactly six fraction digits.
pub(super) fn micro_time(text: &str) -> Option<String> {
    let fraction = text.get(19..)?.strip_prefix('.')?;
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    (is_rfc3339(text) && digits == 6).then_some(())?;
    Some(time::format_micro_time(time::parse_time(text)?))
}

/// The first instant there is, which stands for no time.
pub(super) fn is_zero_time(text: &str) -> bool {
    text.strip_prefix("0001-01-01T00:00:00").is_some_and(|rest| rest.trim_matches(['.', '0']) == "Z")
}

/// The parser takes more spellings than the reference: checks the fixed part.
fn is_rfc3339(text: &str) -> bool {
    const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let fixed = bytes.len() > SHAPE.len()
        && &bytes[17..19] != b"60"
        && bytes.iter().zip(SHAPE).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == s });
    fixed && has_zone(&bytes[SHAPE.len()..])
}

fn has_zone(rest: &[u8]) -> bool {
    let rest = match rest.split_first() {
        Some((b'.', digits)) => {
            let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 {
                return false;
            }
            &digits[count..]
        }
        _ => rest,
    };
    match rest {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339_and_become_utc() {
        assert_eq!(time("2024-05-06T07:08:09+02:00").as_deref(), Some("2024-05-06T05:08:09Z"));
        assert_eq!(time("2024-05-06T07:08:09.9Z").as_deref(), Some("2024-05-06T07:08:09Z"));
        assert_eq!(time("9999-12-31T22:59:58.9Z").as_deref(), Some("9999-12-31T22:59:58Z"), "the last day of all");
        assert_eq!(time("2016-12-31T23:59:60Z"), None, "leap seconds are no times");
        assert!(is_zero_time("0001-01-01T00:00:00.000000Z") && !is_zero_time("0001-01-01T00:00:01Z"));
        for bad in ["2024-05-06", "", "2024-05-06 07:08:09Z", "2024-05-06T07:08:09", "2024-05-06t07:08:09Z", "x"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn micro_times_need_six_digits() {
        assert_eq!(micro_time("2024-05-06T07:08:09.120000Z").as_deref(), Some("2024-05-06T07:08:09.120000Z"));
        for bad in ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09.12Z", "2024-05-06T07:08:09.123456789Z"] {
            assert_eq!(micro_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64_is_padded_and_may_hold_line_breaks() {
        assert_eq!(base64("aGVs\nbG8=").as_deref(), Some("aGVsbG8="));
        assert_eq!(base64("aGVsbG8"), None);
        assert_eq!(base64("hello!"), None);
    }
}
