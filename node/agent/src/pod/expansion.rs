//! `$(NAME)` in commands, arguments and environment values.

/// Replaces `$(NAME)` by what `lookup` knows; an unknown name stays as it is, `$$` stands for `$`.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (piece, used) = reference(tail, &lookup);
        out.push_str(&piece);
        rest = &tail[used..];
    }
    out.push_str(rest);
    out
}

/// What a `$` followed by `tail` becomes, and how many bytes of `tail` it takes.
fn reference(tail: &str, lookup: &impl Fn(&str) -> Option<String>) -> (String, usize) {
    if tail.starts_with('$') {
        return ("$".into(), 1);
    }
    let Some(name) = tail.strip_prefix('(').and_then(|t| t.split_once(')')).map(|(name, _)| name) else {
        return ("$".into(), 0);
    };
    (lookup(name).unwrap_or_else(|| format!("$({name})")), name.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn references_are_replaced_and_the_rest_stays() {
        let lookup = |name: &str| (name == "A").then(|| "x".to_owned());
        for (text, expected) in [
            ("$(A)-$(A)", "x-x"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$x"),
            ("$A $( $", "$A $( $"),
            ("é$(A)é", "éxé"),
        ] {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }
}
