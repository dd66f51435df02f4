//! The order of names, and how numbers with a fraction are written.

use std::{cmp::Ordering, iter::Peekable};

/// Letters come behind everything else, and runs of digits by their value.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let (mut at, mut has_digits_before) = (0, false);
    for (c, _) in same {
        at += c.len_utf8();
        // Behind `10` a zero counts, behind `0` it does not.
        has_digits_before = c.is_ascii_digit() && (has_digits_before || c != '0');
    }
    let (mut rest_a, mut rest_b) = (a[at..].chars().peekable(), b[at..].chars().peekable());
    let (Some(first_a), Some(first_b)) = (rest_a.peek().copied(), rest_b.peek().copied()) else {
        return a.len().cmp(&b.len());
    };
    match (first_a.is_alphabetic(), first_b.is_alphabetic()) {
        (true, true) => return first_a.cmp(&first_b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let lead = u64::from(has_digits_before && (first_a == '0' || first_b == '0'));
    number(lead, &mut rest_a).cmp(&number(lead, &mut rest_b)).then(first_a.cmp(&first_b))
}

/// The value of the digits that come, and how many they are.
fn number(lead: u64, rest: &mut Peekable<impl Iterator<Item = char>>) -> (u64, usize) {
    let (mut value, mut count) = (lead, 0);
    while let Some(digit) = rest.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        value = value.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    (value, count)
}

/// The shortest digits that read back the same, with an exponent where that is below -4 or above 5. What fits an integer is
/// written as one, as it was one when it was JSON.
pub(super) fn float(value: f64) -> String {
    const INTEGERS: f64 = 18_446_744_073_709_551_616.0;
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').expect("written with an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..6).contains(&exponent) || (value.fract() == 0.0 && value.abs() < INTEGERS) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let sorted =
            ["", "-", "1", "2", "10", "A", "B", "a", "a-b", "a.b", "a1", "a2", "a02", "a10", "a100", "ab", "é"];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, sorted);
    }

    #[test]
    fn fractions_are_short() {
        let cases = [
            (0.5, "0.5"),
            (1234567.5, "1.2345675e+06"),
            (1e30, "1e+30"),
            (0.00001, "1e-05"),
            (-2.25, "-2.25"),
            (1e20, "1e+20"),
            (1e18, "1000000000000000000"),
        ];
        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
    }
}
