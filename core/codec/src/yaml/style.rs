//! How a text is quoted.

use super::scalar;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// Several lines, as they are.
    Literal,
}

impl Style {
    pub fn of(words: &str) -> Self {
        let look = Look::of(words);
        if words.contains('\n') {
            return if look.keeps_lines { Self::Literal } else { Self::Double };
        }
        match look {
            _ if scalar::is_ambiguous(words) => Self::Double,
            Look { plain: true, .. } => Self::Plain,
            Look { single: true, .. } => Self::Single,
            _ => Self::Double,
        }
    }
}

/// What a text can be written as, its meaning aside.
struct Look {
    plain: bool,
    single: bool,
    keeps_lines: bool,
}

impl Look {
    fn of(words: &str) -> Self {
        let special = words.chars().any(|c| !is_printable(c) || matches!(c, '\u{2028}' | '\u{2029}'));
        let single = !special && !words.contains('\n');
        let padded = words.starts_with(' ') || words.ends_with(' ');
        Self {
            plain: single && !padded && !has_indicators(words),
            single,
            keeps_lines: !special && !words.contains(" \n") && !words.ends_with(' '),
        }
    }
}

/// Without what YAML 1.1 knows to be none; it is older than the characters beyond the first plane.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// True if a reader would take a part of the text for structure.
fn has_indicators(words: &str) -> bool {
    let followed_by_space = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    let mut characters = words.chars();
    let starts_structure = match characters.next() {
        Some('-' | '?' | ':') => followed_by_space(characters.as_str()),
        Some(first) => "#,[]{}&*!|>'\"%@`".contains(first),
        None => false,
    };
    starts_structure
        || words.starts_with("---")
        || words.starts_with("...")
        || words.contains(" #")
        || words.ends_with(':')
        || words.contains(": ")
}
