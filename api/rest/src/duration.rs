//! Durations as clients write them in URLs, in the notation of Go: `1m30s`, `250ms`, `-1.5h`, `0`.

/// Seconds for each unit.
const UNITS: &[(&str, f64)] =
    &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
/// What a signed 64-bit number of nanoseconds holds.
const MAX_SECONDS: f64 = i64::MAX as f64 / 1e9;

/// Seconds, perhaps negative; `None` for text that is no duration, such as a number without a unit.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (part, after) = first_part(rest)?;
        total += part;
        rest = after;
    }
    (total <= MAX_SECONDS).then_some(sign * total)
}

/// The first number with its unit, in seconds, and what follows them.
fn first_part(text: &str) -> Option<(f64, &str)> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, after) = text.split_at(text.find(|c| !is_of_number(c))?);
    let (unit, rest) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
    let number: f64 = number.parse().ok()?;
    let (_, in_seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((number * in_seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, expected) in [
            ("0", 0.0),
            ("10s", 10.0),
            ("1m30s", 90.0),
            ("1.5h", 5400.0),
            ("-250ms", -0.25),
            ("+.5s", 0.5),
            ("1.s", 1.0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_lacks_a_number_or_a_unit_is_no_duration() {
        for text in ["", "-", "10", "s", ".s", "1.2.3s", "1x", "1s2", "1 s", "10000000h"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }
}
