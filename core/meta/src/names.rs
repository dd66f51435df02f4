//! What a name may be. Sources: RFC 1123 (labels and subdomains), RFC 1035, and the API conventions' qualified names.
//!
//! Each check returns why the text is refused, in words for a user, or `None`.

pub const DNS_LABEL_MAX_BYTES: usize = 63;
pub const DNS_SUBDOMAIN_MAX_BYTES: usize = 253;
pub const LABEL_VALUE_MAX_BYTES: usize = 63;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const RFC1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn lower_alphanumeric(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_dns_label_shape(text: &str) -> bool {
    let b = text.as_bytes();
    !b.is_empty()
        && lower_alphanumeric(b[0])
        && lower_alphanumeric(b[b.len() - 1])
        && b.iter().all(|&b| lower_alphanumeric(b) || b == b'-')
}

fn is_loose_shape(text: &str) -> bool {
    let b = text.as_bytes();
    !b.is_empty()
        && b[0].is_ascii_alphanumeric()
        && b[b.len() - 1].is_ascii_alphanumeric()
        && b.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// RFC 1123 label, at most 63 bytes.
pub fn dns_label(text: &str) -> Option<&'static str> {
    if text.len() > DNS_LABEL_MAX_BYTES {
        return Some("must be no more than 63 characters");
    }
    (!is_dns_label_shape(text)).then_some(LABEL)
}

/// RFC 1123 subdomain, at most 253 bytes.
pub fn dns_subdomain(text: &str) -> Option<&'static str> {
    if text.len() > DNS_SUBDOMAIN_MAX_BYTES {
        return Some("must be no more than 253 characters");
    }
    (!text.split('.').all(is_dns_label_shape)).then_some(SUBDOMAIN)
}

/// RFC 1035 label: as [`dns_label`], and it starts with a letter.
pub fn dns_1035_label(text: &str) -> Option<&'static str> {
    if text.len() > DNS_LABEL_MAX_BYTES {
        return Some("must be no more than 63 characters");
    }
    (!is_dns_label_shape(text) || !text.as_bytes()[0].is_ascii_lowercase()).then_some(RFC1035)
}

/// A label's or annotation's key, a finalizer, a resource name: `[prefix/]name`.
pub fn qualified_name(text: &str) -> Option<&'static str> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, name)) if name.contains('/') => {
            return Some("a qualified name must consist of a name with an optional DNS subdomain prefix and '/'");
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        Some("") => return Some("prefix part must be non-empty"),
        Some(prefix) if dns_subdomain(prefix).is_some() => return Some("prefix part must be an RFC 1123 subdomain"),
        _ => {}
    }
    if name.is_empty() {
        return Some("name part must be non-empty");
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters");
    }
    (!is_loose_shape(name)).then_some(QUALIFIED)
}

/// A label's value: empty, or up to 63 bytes of letters, digits, `-`, `_` and `.`.
pub fn label_value(text: &str) -> Option<&'static str> {
    if text.len() > LABEL_VALUE_MAX_BYTES {
        return Some("must be no more than 63 characters");
    }
    (!text.is_empty() && !is_loose_shape(text)).then_some(LABEL_VALUE)
}

/// A segment of a URL path, the loosest rule for names (RBAC kinds).
pub fn path_segment(text: &str) -> Option<&'static str> {
    match text {
        "." | ".." => Some("may not be '.' or '..'"),
        _ if text.contains('/') => Some("may not contain '/'"),
        _ if text.contains('%') => Some("may not contain '%'"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains_follow_rfc_1123() {
        for good in ["a", "a-b", "0a", &"x".repeat(63)] {
            assert_eq!(dns_label(good), None, "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(64)] {
            assert!(dns_label(bad).is_some(), "{bad}");
        }
        assert_eq!(dns_subdomain("a.b-c.d"), None);
        for bad in ["a..b", ".a", "a.", "a.B"] {
            assert!(dns_subdomain(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn qualified_names_have_one_optional_prefix() {
        for good in ["a", "A_b.c", "example.com/Name"] {
            assert_eq!(qualified_name(good), None, "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "UP.com/a", "-a", "example.com/-a"] {
            assert!(qualified_name(bad).is_some(), "{bad}");
        }
    }
}
