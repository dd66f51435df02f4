//! Indexes of an indexed job as text: `1,3-5,7`.

/// An index, or a range of them; both ends belong to it.
type Interval = (i64, i64);

/// One part of a text, if it names indexes below `completions`, and a range from below to above.
fn interval(part: &str, completions: i64) -> Option<Interval> {
    let index = |text: &str| text.parse::<i64>().ok().filter(|index| *index < completions);
    match part.split_once('-') {
        None => index(part).map(|index| (index, index)),
        Some((first, last)) => {
            let (first, last) = (index(first)?, index(last)?);
            (first < last).then_some((first, last))
        }
    }
}

/// How many indexes a text names, if it names them in order and below `completions`.
pub(super) fn count(text: &str, completions: i64) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (mut total, mut last) = (0, None);
    for part in text.split(',') {
        let interval = interval(part, completions)?;
        if last.is_some_and(|last| last >= interval.0) {
            return None;
        }
        total += interval.1 - interval.0 + 1;
        last = Some(interval.1);
    }
    Some(total)
}

/// Whether two texts name an index in common. Parts that name none are passed over.
pub(super) fn overlap(one: &str, two: &str, completions: i64) -> bool {
    let intervals = |text: &str| text.split(',').filter_map(|part| interval(part, completions)).collect::<Vec<_>>();
    let (one, two) = (intervals(one), intervals(two));
    let (mut one, mut two) = (one.iter().peekable(), two.iter().peekable());
    while let (Some(first), Some(second)) = (one.peek(), two.peek()) {
        if first.0 <= second.1 && second.0 <= first.1 {
            return true;
        }
        if first.0 <= second.0 {
            one.next();
        } else {
            two.next();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{count, overlap};

    #[test]
    fn indexes_are_named_in_order_and_below_the_completions() {
        assert_eq!((count("", 3), count("0,2-4,7", 9), count("1", 1)), (Some(0), Some(5), None));
        for bad in ["3,1", "1-1", "4-2", "x", "1,", "1-2-3", "2-9", "1,1"] {
            assert_eq!(count(bad, 9), None, "{bad}");
        }
    }

    #[test]
    fn texts_overlap_where_they_name_the_same_index() {
        assert!(overlap("0-3,7", "5,7", 9) && overlap("1", "0-4", 9) && !overlap("0-3", "4,8", 9));
        assert!(!overlap("", "1", 9) && !overlap("bad,1", "2", 9));
    }
}
