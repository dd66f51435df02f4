//! Which pull policy an image reference asks for when none is given.

/// `Always` for the tag `latest` (with a digest or not) and for a reference with neither tag nor digest; `IfNotPresent` for any
/// other tag, for a digest without a tag, and for text that is no reference.
pub(super) fn pull_policy(reference: &str) -> &'static str {
    let (named, digest) = reference.split_once('@').map_or((reference, None), |(n, d)| (n, Some(d)));
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    match (tag, digest) {
        _ if !is_name(name) => "IfNotPresent",
        (Some("latest"), _) | (None, None) => "Always",
        _ => "IfNotPresent",
    }
}

/// `[DOMAIN[:PORT]/]COMPONENT/...`, components in lower case.
fn is_name(name: &str) -> bool {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper_case(first) => {
            (Some(first), rest)
        }
        _ => (None, name),
    };
    domain.is_none_or(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b)))
        && path.split('/').all(is_component)
}

fn has_upper_case(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || b"._-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::pull_policy;

    #[test]
    fn only_moving_tags_are_always_pulled() {
        for always in ["nginx", "nginx:latest", "reg.example:5000/a/b", "a:latest@sha256:0000"] {
            assert_eq!(pull_policy(always), "Always", "{always}");
        }
        for kept in ["nginx:1", "nginx@sha256:0000", "reg.example:5000/a:1.2", "", "UPPER", "a//b", "a:1@sha256:00"] {
            assert_eq!(pull_policy(kept), "IfNotPresent", "{kept}");
        }
    }
}
