//! `Quantity`: exact decimal amounts with a unit suffix (`500m`, `1.5Gi`, `2e3`), as the API reference defines them.
//!
//! A quantity is `mantissa × 10^exponent`, never a float, kept to nano precision (finer amounts round away from zero).
//! Its wire form keeps the family of the suffix it was written with. Like the reference, a text that is already nearly
//! canonical is sent back as it came (`+5`, `007`, `1e3`); everything else is rewritten (`1000k` → `1M`, `1.5Gi` → `1536Mi`).

mod demand;
mod parse;

use std::{borrow::Cow, cmp::Ordering, fmt};

use thiserror::Error;

pub use demand::{Amount, Amounts, Demand, add_amounts};
use parse::Parsed;

/// Finest exponent that is kept.
const NANO: i32 = -9;
/// Exponent that resource lists are rounded up to.
const MILLI: i32 = -3;

#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum QuantityError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// Which family of suffixes a quantity is written with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`: powers of 1000.
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`: powers of 1024.
    BinarySi,
    /// `e3`, `E6`: powers of ten.
    DecimalExponent,
}

/// An exact amount. Equality and order compare the amount, not how it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    mantissa: i128,
    exponent: i32,
    format: Format,
}

impl Quantity {
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0, format: Format::DecimalSi };

    /// `value` units.
    pub fn from_units(value: i64, format: Format) -> Self {
        Self { mantissa: value.into(), exponent: 0, format }
    }

    /// `value` thousandths of a unit.
    pub fn from_milli(value: i64) -> Self {
        Self { mantissa: value.into(), exponent: MILLI, format: Format::DecimalSi }
    }

    /// Parses the wire form.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Parsed::read(text).map(|parsed| parsed.quantity)
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// Whole units, rounded away from zero, saturating at the bounds of 64 bits.
    pub fn units(&self) -> i64 {
        saturate(self.at_exponent(0).0)
    }

    /// Thousandths, rounded away from zero, saturating at the bounds of 64 bits.
    pub fn milli(&self) -> i64 {
        saturate(self.at_exponent(MILLI).0)
    }

    /// True if the amount is a whole number of units.
    pub fn is_integer(&self) -> bool {
        self.at_exponent(0).1
    }

    /// The sum, in the format of the left side (of the right one if the left is zero), as the reference adds.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, i128::saturating_add)
    }

    /// The difference, in the format of the left side (of the right one if the left is zero).
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.combine(other, i128::saturating_sub)
    }

    fn combine(self, other: Self, operation: fn(i128, i128) -> i128) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.at_exponent(exponent).0, other.at_exponent(exponent).0);
        Self { mantissa: operation(left, right), exponent, format }
    }

    /// Rounded away from zero to thousandths.
    #[must_use]
    pub fn rounded_up_to_milli(self) -> Self {
        if self.exponent >= MILLI {
            return self;
        }
        Self { mantissa: self.at_exponent(MILLI).0, exponent: MILLI, ..self }
    }

    /// The mantissa at another exponent, saturating, and whether that is exact.
    fn at_exponent(&self, exponent: i32) -> (i128, bool) {
        let mut value = self.mantissa;
        if self.exponent >= exponent {
            for _ in exponent..self.exponent {
                match value.checked_mul(10) {
                    Some(scaled) if value != 0 => value = scaled,
                    Some(_) => return (0, true),
                    None => return (if value > 0 { i128::MAX } else { i128::MIN }, false),
                }
            }
            return (value, true);
        }
        let mut exact = true;
        for _ in self.exponent..exponent {
            exact &= value % 10 == 0;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        exact |= self.mantissa == 0;
        (if exact { value } else { value + self.mantissa.signum() }, exact)
    }

    /// The canonical wire form: no fraction, the largest suffix that keeps the mantissa whole.
    pub fn canonical(&self) -> String {
        if self.is_zero() {
            return "0".to_owned();
        }
        if self.format == Format::BinarySi
            && let Some(text) = self.binary_text()
        {
            return text;
        }
        self.decimal_text()
    }

    fn binary_text(&self) -> Option<String> {
        const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let (mut value, exact) = self.at_exponent(0);
        if !exact || value.unsigned_abs() < 1024 {
            return None;
        }
        let mut power = 0;
        while value % 1024 == 0 && power + 1 < SUFFIXES.len() {
            value /= 1024;
            power += 1;
        }
        Some(format!("{value}{}", SUFFIXES[power]))
    }

    /// The same amount without trailing zeros but for those that lead to an exponent with a suffix.
    fn aligned(&self) -> (i128, i32) {
        let (mut mantissa, mut exponent) = (self.mantissa, self.exponent);
        while mantissa != 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent.rem_euclid(3) != 0 {
            mantissa = mantissa.saturating_mul(10);
            exponent -= 1;
        }
        (mantissa, exponent)
    }

    fn decimal_text(&self) -> String {
        let (mantissa, exponent) = self.aligned();
        let suffix = match (self.format, exponent) {
            (_, 0) => Cow::Borrowed(""),
            (Format::DecimalExponent, _) => format!("e{exponent}").into(),
            _ => decimal_suffix(exponent).map_or_else(|| format!("e{exponent}").into(), Cow::Borrowed),
        };
        format!("{mantissa}{suffix}")
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value > 0 { i64::MAX } else { i64::MIN })
}

fn decimal_suffix(exponent: i32) -> Option<&'static str> {
    Some(match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        0 => "",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => return None,
    })
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    /// Exact below 10^38 units; saturated amounts of one sign compare by exponent.
    fn cmp(&self, other: &Self) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.at_exponent(exponent), other.at_exponent(exponent));
        left.0.cmp(&right.0).then_with(|| match (left.1, right.1) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            _ => Ordering::Equal,
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

/// The wire form of a quantity field: `text` itself where the reference keeps it, else the canonical form.
pub fn normalise(text: &str) -> Result<Cow<'_, str>, QuantityError> {
    let parsed = Parsed::read(text)?;
    Ok(if parsed.keeps_text { Cow::Borrowed(text) } else { parsed.quantity.canonical().into() })
}

/// As [`normalise`], for the values of resource lists, which are rounded up to thousandths.
pub fn normalise_resource(text: &str) -> Result<Cow<'_, str>, QuantityError> {
    let parsed = Parsed::read(text)?;
    if parsed.keeps_text && parsed.quantity.exponent >= MILLI {
        return Ok(Cow::Borrowed(text));
    }
    Ok(parsed.quantity.rounded_up_to_milli().canonical().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn wire_forms_are_those_of_the_reference() {
        for (sent, stored) in [
            ("0", "0"),
            ("+5", "+5"),
            ("007", "007"),
            ("5.", "5."),
            ("1e3", "1e3"),
            ("12E6", "12E6"),
            ("5e6", "5e6"),
            ("1e-3", "1e-3"),
            ("1e2", "100"),
            ("1.5Gi", "1536Mi"),
            ("1.50Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1024Mi", "1Gi"),
            ("1048576Ki", "1Gi"),
            ("1000Ki", "1000Ki"),
            ("24Gi", "24Gi"),
            ("1000k", "1M"),
            ("3000000", "3M"),
            ("1500M", "1500M"),
            ("1.5G", "1500M"),
            ("2000m", "2"),
            ("0.5", "500m"),
            ("0.1", "100m"),
            ("0.001", "1m"),
            ("1025", "1025"),
            ("0.1Ki", "102400m"),
            ("-1.5Gi", "-1536Mi"),
            ("8Ei", "9223372036854775807"),
            ("0.9n", "1n"),
            ("1000E", "1e21"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            assert_eq!(normalise(sent).as_deref(), Ok(stored), "{sent}");
        }
    }

    #[test]
    fn resource_lists_round_up_to_thousandths() {
        for (sent, stored) in [("100u", "1m"), ("1e-3", "1e-3"), ("1n", "1m"), ("-100u", "-1m"), ("250m", "250m")] {
            assert_eq!(normalise_resource(sent).as_deref(), Ok(stored), "{sent}");
        }
    }

    #[test]
    fn what_has_more_digits_than_are_kept_is_refused_and_not_changed() {
        for text in ["-222222222222222222222222222222222.22226222", "1234567890123456789012345678901234567"] {
            assert_eq!(Quantity::parse(text).map(|q| q.canonical()), Err(QuantityError::Numeric), "{text}");
        }
        // Written with a suffix these would have more digits than can be read again.
        for text in
            [format!("-{}.9", "9".repeat(34)), format!("{}.25", "8".repeat(33)), format!("{}e4", "7".repeat(35))]
        {
            match Quantity::parse(&text).map(|quantity| quantity.canonical()) {
                Err(error) => assert_eq!(error, QuantityError::Numeric, "{text}"),
                Ok(canonical) => assert_eq!(parse(&canonical), parse(&text), "{text}"),
            }
        }
        let fine = format!("0.{}1", "0".repeat(40));
        assert_eq!(parse(&fine).canonical(), "1n");
        let long = "12345678901234567890123456789012345";
        assert_eq!(parse(long).canonical(), long);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        let huge = "9".repeat(60);
        for bad in ["", "abc", "1mi", "1 Gi", "1.2.3", "--1", "1e", "1eE5", "1Kii", "1e99999999999", "0x1", &huge] {
            assert!(Quantity::parse(bad).is_err(), "{bad:?}");
        }
        // Its zeros raise the exponent beyond what could be read again.
        assert!(Quantity::parse("2000000e10000").is_err());
        assert_eq!(parse("2000e9000").canonical(), "2e9003");
    }

    #[test]
    fn amounts_compare_by_value_whatever_their_suffix() {
        assert_eq!(parse("1"), parse("1000m"));
        assert_eq!(parse("1Ki"), parse("1024"));
        assert!(parse("1G") < parse("1Gi"));
        assert!(parse("-1") < parse("1n"));
        assert!(parse("1e40") > parse("1e39"));
        assert!(parse("1e200") > parse("1E"));
    }

    #[test]
    fn values_round_away_from_zero_and_saturate() {
        assert_eq!(parse("1500m").units(), 2);
        assert_eq!(parse("-1500m").units(), -2);
        assert_eq!(parse("100u").milli(), 1);
        assert_eq!(parse("2").milli(), 2000);
        assert_eq!(parse("1e30").units(), i64::MAX);
        assert!(!parse("0.5").is_integer() && parse("2000m").is_integer());
    }

    #[test]
    fn sums_keep_the_format_of_their_left_side() {
        assert_eq!(parse("1Gi").plus(parse("512Mi")).canonical(), "1536Mi");
        assert_eq!(Quantity::ZERO.plus(parse("1Ki")).canonical(), "1Ki");
        assert_eq!(parse("2").minus(parse("500m")).canonical(), "1500m");
        assert_eq!(parse("1").minus(parse("1")).canonical(), "0");
    }
}
