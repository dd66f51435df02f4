//! Arguments that are written out: a pattern, a duration or a time that can never be one is refused at once.

use regex::Regex;

use super::{Fault, ast::Expr};

/// Units of a duration, as texts of durations end in them.
const UNITS: [&str; 7] = ["ns", "us", "\u{b5}s", "ms", "s", "m", "h"];

pub(super) fn check(function: &str, arguments: &[Expr]) -> Result<(), Fault> {
    let Some(Expr::String(Some(text))) = arguments.last() else { return Ok(()) };
    match function {
        "matches" if Regex::new(text).is_err() => Err(Fault::Type("invalid matches argument".to_owned())),
        "find" | "findAll" if Regex::new(text).is_err() => Err(Fault::Program(format!("no pattern: {text:?}"))),
        "duration" if !is_duration(text) => Err(Fault::Type("invalid duration argument".to_owned())),
        "timestamp" if gantry_meta::time::normalise_time(text).is_none() => {
            Err(Fault::Type("invalid timestamp argument".to_owned()))
        }
        _ => Ok(()),
    }
}

/// `1h30m`, `-1.5s`, `0`: numbers with units, after one sign.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let Some(unit) = UNITS.iter().filter(|unit| after.starts_with(**unit)).max_by_key(|unit| unit.len()) else {
            return false;
        };
        if !digits.bytes().any(|b| b.is_ascii_digit()) || digits.matches('.').count() > 1 {
            return false;
        }
        rest = &after[unit.len()..];
        parts += 1;
    }
    parts > 0
}
