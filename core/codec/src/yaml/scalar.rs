//! What an unquoted word means in YAML 1.1.

use gantry_meta::Value;

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
    text.parse::<f64>().ok().filter(|f| f.is_finite()).map(crate::decode::double)
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

/// True if the word, written without quotes, would be read back as something else than text.
pub(super) fn is_ambiguous(text: &str) -> bool {
    !matches!(resolve(text), Some(Value::String(_))) || text == "<<"
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
