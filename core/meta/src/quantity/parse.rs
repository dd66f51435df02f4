//! Quantities from their text.

use super::{Format, NANO, Quantity, QuantityError};

/// Digits that the reference handles in 64 bits; longer texts are always rewritten.
const FAST_DIGITS: usize = 18;
/// Exponents beyond this are refused: no amount of anything needs them, and they would cost time to align.
const MAX_EXPONENT: i32 = 10_000;
/// Leaves room for a rounding and for the two digits that writing may append to reach a suffix.
const MAX_MANTISSA: i128 = i128::MAX / 1000;

/// A quantity as it was written.
pub(super) struct Parsed {
    pub quantity: Quantity,
    /// The reference sends such a text back unchanged.
    pub keeps_text: bool,
}

/// Sign, digits before and after the point, suffix.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = digits(rest.trim_start_matches('0'));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let signed = letters.strip_prefix(['-', '+']).unwrap_or(letters);
        match signed.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(Self { negative, whole, fraction, suffix }),
            false => Err(QuantityError::Format),
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))
}

/// What a suffix multiplies by.
enum Unit {
    PowerOfTen(i32, Format),
    PowerOfTwo(u32),
}

fn unit(suffix: &str) -> Result<Unit, QuantityError> {
    use Format::DecimalSi;
    Ok(match suffix {
        "" => Unit::PowerOfTen(0, DecimalSi),
        "n" => Unit::PowerOfTen(-9, DecimalSi),
        "u" => Unit::PowerOfTen(-6, DecimalSi),
        "m" => Unit::PowerOfTen(-3, DecimalSi),
        "k" => Unit::PowerOfTen(3, DecimalSi),
        "M" => Unit::PowerOfTen(6, DecimalSi),
        "G" => Unit::PowerOfTen(9, DecimalSi),
        "T" => Unit::PowerOfTen(12, DecimalSi),
        "P" => Unit::PowerOfTen(15, DecimalSi),
        "E" => Unit::PowerOfTen(18, DecimalSi),
        "Ki" => Unit::PowerOfTwo(10),
        "Mi" => Unit::PowerOfTwo(20),
        "Gi" => Unit::PowerOfTwo(30),
        "Ti" => Unit::PowerOfTwo(40),
        "Pi" => Unit::PowerOfTwo(50),
        "Ei" => Unit::PowerOfTwo(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let exponent: i32 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
            if exponent.abs() > MAX_EXPONENT {
                return Err(QuantityError::Suffix);
            }
            Unit::PowerOfTen(exponent, Format::DecimalExponent)
        }
    })
}

impl Parsed {
    pub fn read(text: &str) -> Result<Self, QuantityError> {
        let parts = Parts::split(text)?;
        let unit = unit(parts.suffix)?;
        let keeps_text = text == "0" || reference_keeps(&parts, &unit);
        let mut amount = Digits::read(&parts, &unit)?;
        let format = match unit {
            Unit::PowerOfTen(exponent, format) => {
                amount.exponent += exponent;
                format
            }
            Unit::PowerOfTwo(bits) => {
                amount.shift_left(bits);
                Format::BinarySi
            }
        };
        amount.round_to_nano();
        let mut quantity = Quantity { mantissa: amount.mantissa, exponent: amount.exponent, format };
        let limit = Quantity::from_units(i64::MAX, format);
        if format == Format::BinarySi && quantity > limit {
            quantity = limit;
        }
        let (mantissa, exponent) = quantity.aligned();
        if mantissa > MAX_MANTISSA {
            return Err(QuantityError::Numeric);
        }
        // Trailing zeros may have raised it beyond what its canonical form could be read with.
        if exponent > MAX_EXPONENT {
            return Err(QuantityError::Suffix);
        }
        if parts.negative {
            quantity.mantissa = -quantity.mantissa;
        }
        Ok(Self { quantity, keeps_text })
    }
}

/// Whether the reference, which works in 64 bits where it can, finds the text canonical enough to keep.
fn reference_keeps(parts: &Parts<'_>, unit: &Unit) -> bool {
    let whole = if parts.whole.is_empty() { "0" } else { parts.whole };
    let length = whole.len() + parts.fraction.len();
    match *unit {
        Unit::PowerOfTen(exponent, _) => {
            let exponent = exponent - parts.fraction.len() as i32;
            length <= FAST_DIGITS
                && exponent >= NANO
                && exponent % 3 == 0
                && !whole.starts_with('0')
                && !format!("{whole}{}", parts.fraction).ends_with("000")
        }
        Unit::PowerOfTwo(bits) => {
            let fast = parts.fraction.is_empty() && 14 >= whole.len() + bits as usize * 3 / 10;
            fast && whole.parse::<u64>().is_ok_and(|value| value & 7 != 0)
        }
    }
}

/// Digits being gathered; `inexact` remembers that something below the mantissa was dropped.
struct Digits {
    mantissa: i128,
    exponent: i32,
    inexact: bool,
}

impl Digits {
    fn read(parts: &Parts<'_>, unit: &Unit) -> Result<Self, QuantityError> {
        let mut read = Self { mantissa: 0, exponent: 0, inexact: false };
        for digit in parts.whole.bytes() {
            match read.with_digit(digit) {
                Some(mantissa) => read.mantissa = mantissa,
                // Binary amounts are capped at 2^63-1 anyway.
                None if matches!(unit, Unit::PowerOfTwo(_)) => read.mantissa = MAX_MANTISSA / 10,
                None => return Err(QuantityError::Numeric),
            }
        }
        for digit in parts.fraction.bytes() {
            match read.with_digit(digit) {
                Some(mantissa) if !read.inexact => {
                    read.mantissa = mantissa;
                    read.exponent -= 1;
                }
                // Finer than nano is rounded; coarser would change the amount.
                None if !read.is_nano(unit) && digit != b'0' => return Err(QuantityError::Numeric),
                _ => read.inexact |= digit != b'0',
            }
        }
        Ok(read)
    }

    fn with_digit(&self, digit: u8) -> Option<i128> {
        self.mantissa.checked_mul(10)?.checked_add((digit - b'0').into()).filter(|mantissa| *mantissa <= MAX_MANTISSA)
    }

    /// True if the next digit is too fine to be kept.
    fn is_nano(&self, unit: &Unit) -> bool {
        match *unit {
            Unit::PowerOfTen(exponent, _) => self.exponent + exponent <= NANO,
            Unit::PowerOfTwo(_) => self.exponent <= NANO,
        }
    }

    fn shift_left(&mut self, bits: u32) {
        let factor = 1i128 << bits;
        while self.mantissa > i128::MAX / factor {
            self.inexact |= self.mantissa % 10 != 0;
            self.mantissa /= 10;
            self.exponent += 1;
        }
        self.mantissa *= factor;
    }

    fn round_to_nano(&mut self) {
        while self.exponent < NANO {
            self.inexact |= self.mantissa % 10 != 0;
            self.mantissa /= 10;
            self.exponent = if self.mantissa == 0 { NANO } else { self.exponent + 1 };
        }
        if self.inexact && self.exponent == NANO {
            self.mantissa += 1;
        }
        if self.mantissa == 0 {
            self.exponent = 0;
        }
    }
}
