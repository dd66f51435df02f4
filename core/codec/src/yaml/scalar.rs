//! What an unquoted word means in YAML 1.1.

use gantry_meta::Value;
use jiff::civil::Date;

/// The value of a plain scalar, or `None` for a number that JSON cannot carry.
pub(super) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return None,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => return None,
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Some(Value::String(text.to_owned()));
    }
    integer(text).or_else(|| float(text)).or_else(|| Some(Value::String(text.to_owned())))
}

/// Decimal, `0x`, `0o`, `0b`, and octal with a leading zero; underscores are skipped.
fn integer(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, &plain[..]),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match negative {
        false => Some(Value::from(magnitude)),
        true => 0_i64.checked_sub_unsigned(magnitude).map(Value::from),
    }
}

/// `1.5`, `.5`, `5.`, `1e3`; nothing else of what Rust would take.
fn float(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_is_good =
        exponent.is_none_or(|e| e.strip_prefix(['+', '-']).unwrap_or(e).bytes().all(|b| b.is_ascii_digit()));
    if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 || !exponent_is_good {
        return None;
    }
    // Written as JSON, a whole number has no fraction: `1e3` is an integer.
    text.parse::<f64>().ok().filter(|f| f.is_finite()).map(crate::canonical::double)
}

/// How a key that is no text is written in JSON.
pub(super) fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// True if the word, written without quotes, would be read back as something else than text, here or by others.
pub(super) fn is_ambiguous(text: &str) -> bool {
    !matches!(resolve(text), Some(Value::String(_))) || text == "<<" || is_timestamp(text) || is_base_60(text)
}

/// `2024-5-6`, alone or with a time behind it: behind `T` or `t` with a zone, behind a space without.
fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = date_and_time(text) else { return false };
    let parts: Option<Vec<i16>> = date.split('-').map(|part| part.parse().ok()).collect();
    let is_date = matches!(parts.as_deref(), Some([year, month, day])
        if i8::try_from(*month).is_ok_and(|month| i8::try_from(*day).is_ok_and(|day| Date::new(*year, month, day).is_ok())));
    is_date && time.is_none_or(|(zoned, time)| is_time(time, zoned))
}

/// A text that begins as a date does, in two; `true` for a time that needs a zone.
fn date_and_time(text: &str) -> Option<(&str, Option<(bool, &str)>)> {
    let year = text.split('-').next()?;
    (year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    let Some(at) = text.find(['T', 't', ' ']) else { return Some((text, None)) };
    Some((&text[..at], Some((text.as_bytes()[at] != b' ', &text[at + 1..]))))
}

fn is_time(text: &str, zoned: bool) -> bool {
    let zone = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let below = |text: &str, limit: u8| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse().is_ok_and(|n: u8| n < limit)
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let is_clock = matches!(parts[..], [h, m, s] if below(h, 24) && below(m, 60) && below(s, 60));
    let is_zone = match zone.strip_prefix(['+', '-']).and_then(|offset| offset.split_once(':')) {
        Some((h, m)) => h.len() == 2 && m.len() == 2 && below(h, 25) && below(m, 60),
        None => zone == "Z",
    };
    is_clock && fraction.bytes().all(|b| b.is_ascii_digit()) && if zoned { is_zone } else { zone.is_empty() }
}

/// `1:30`, which older readers take for ninety.
fn is_base_60(text: &str) -> bool {
    let mut parts = text.strip_prefix(['+', '-']).unwrap_or(text).split(':');
    let first = parts.next().unwrap_or_default();
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    };
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let is_sixtieth = |text: &str| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse().is_ok_and(|n: u8| n < 60)
    };
    is_number(first)
        && rest.into_iter().chain([last]).all(is_sixtieth)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_mean_what_yaml_1_1_says() {
        let cases = [
            ("y", json!(true)),
            ("off", json!(false)),
            ("~", json!(null)),
            ("0120", json!(80)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("0o17", json!(15)),
            ("1_000", json!(1000)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("089", json!(89)),
            ("1.2.3", json!("1.2.3")),
            ("10Gi", json!("10Gi")),
            ("-", json!("-")),
            ("2024-05-06", json!("2024-05-06")),
            ("yEs", json!("yEs")),
        ];
        for (text, value) in cases {
            assert_eq!(resolve(text), Some(value), "{text}");
        }
        assert_eq!(resolve(".inf"), None);
    }
}
