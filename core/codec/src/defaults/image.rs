//! Whether what an image reference stands for may be another image tomorrow.

/// True for the tag `latest` (with a digest or not) and for a reference with neither tag nor digest; false for any other tag,
/// for a digest without a tag, and for text that is no reference.
pub(super) fn moves(reference: &str) -> bool {
    let (named, digest) = reference.split_once('@').map_or((reference, None), |(n, d)| (n, Some(d)));
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    is_name(name) && matches!((tag, digest), (Some("latest"), _) | (None, None))
}

/// Longest name with its domain; what names none is of the default one.
const NAME_MAX_BYTES: usize = 255;
const DEFAULT_DOMAIN: &str = "docker.io/library/";

/// `[DOMAIN[:PORT]/]COMPONENT/...`, components in lower case.
fn is_name(name: &str) -> bool {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper_case(first) => {
            (Some(first), rest)
        }
        _ => (None, name),
    };
    let bytes = name.len() + if domain.is_none() && !path.contains('/') { DEFAULT_DOMAIN.len() } else { 0 };
    bytes <= NAME_MAX_BYTES && domain.is_none_or(is_domain) && path.split('/').all(is_component)
}

/// A host with an optional port: an address in brackets, or labels.
fn is_domain(domain: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    let host = domain.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = host.map_or(domain, |(host, _)| host);
    (host.starts_with('[') && host.ends_with(']')) || host.split('.').all(is_label)
}

fn has_upper_case(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Letters and digits, in groups that `.`, `_`, `__` or any number of `-` divide.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let divides = |part: &str| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|b| b == b'-');
    text.starts_with(alphanumeric) && text.ends_with(alphanumeric) && text.split(alphanumeric).all(divides)
}

#[cfg(test)]
mod tests {
    use super::moves;

    #[test]
    fn only_the_latest_tag_and_none_at_all_move() {
        for always in ["nginx", "nginx:latest", "reg.example:5000/a/b", "a:latest@sha256:0000"] {
            assert!(moves(always), "{always}");
        }
        for kept in [
            "nginx:1",
            "nginx@sha256:0000",
            "reg.example:5000/a:1.2",
            "",
            "UPPER",
            "a//b",
            "a..b",
            "a___b",
            "../x",
            "a:1@sha256:00",
        ] {
            assert!(!moves(kept), "{kept}");
        }
    }
}
