//! Times as the API writes them: `Time` in whole seconds, `MicroTime` with exactly six fraction digits, both in UTC.

use jiff::{Timestamp, civil::DateTime, fmt::temporal::DateTimePrinter};

const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
const MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// `2026-11-21T14:20:00Z`, truncated to the second.
pub fn format_time(at: Timestamp) -> String {
    SECONDS.timestamp_to_string(&at)
}

/// `2026-11-21T14:20:00.123456Z`, truncated to the microsecond.
pub fn format_micro_time(at: Timestamp) -> String {
    MICROSECONDS.timestamp_to_string(&at)
}

/// Parses RFC 3339 (any offset, any fraction).
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// An RFC 3339 text as [`format_time`] writes it: also within the last day of all, which no [`Timestamp`] reaches.
pub fn normalise_time(text: &str) -> Option<String> {
    match text.strip_suffix('Z') {
        Some(civil) => Some(format!("{}Z", SECONDS.datetime_to_string(&civil.parse::<DateTime>().ok()?))),
        None => Some(format_time(parse_time(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_fixed_precision() {
        let at = parse_time("2026-11-21T16:20:00.123456789+02:00").unwrap();
        assert_eq!(format_time(at), "2026-11-21T14:20:00Z");
        assert_eq!(format_micro_time(at), "2026-11-21T14:20:00.123456Z");
    }
}
