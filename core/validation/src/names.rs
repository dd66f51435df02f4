//! Name rules as the reference counts them: each broken part of a rule is a cause of its own.

use crate::rules::net;
use gantry_meta::names::{DNS_LABEL_MAX_BYTES, DNS_SUBDOMAIN_MAX_BYTES, LABEL_VALUE_MAX_BYTES};

/// Reasons why a text is refused; empty if it is fine.
pub type Reasons = Vec<&'static str>;

const LABEL_LENGTH: &str = "must be no more than 63 characters";
const SUBDOMAIN_LENGTH: &str = "must be no more than 253 characters";
const LABEL_LETTERS: &str =
    "must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_LETTERS: &str = "must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const RFC1035_LETTERS: &str = "must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const VALUE_LETTERS: &str = "must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const NAME_LETTERS: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn reasons(checks: impl IntoIterator<Item = (bool, &'static str)>) -> Reasons {
    checks.into_iter().filter_map(|(broken, why)| broken.then_some(why)).collect()
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let b = text.as_bytes();
    !b.is_empty()
        && b.iter().all(|&b| alphanumeric(b) || b == b'-')
        && alphanumeric(b[0])
        && alphanumeric(b[b.len() - 1])
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name_part(text: &str) -> bool {
    let b = text.as_bytes();
    !b.is_empty()
        && b.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && b[0].is_ascii_alphanumeric()
        && b[b.len() - 1].is_ascii_alphanumeric()
}

/// RFC 1123 label.
pub fn dns_label(text: &str) -> Reasons {
    reasons([(text.len() > DNS_LABEL_MAX_BYTES, LABEL_LENGTH), (!is_label(text), LABEL_LETTERS)])
}

/// RFC 1035 label.
pub fn dns_1035_label(text: &str) -> Reasons {
    let shape = is_label(text) && text.as_bytes()[0].is_ascii_lowercase();
    reasons([(text.len() > DNS_LABEL_MAX_BYTES, LABEL_LENGTH), (!shape, RFC1035_LETTERS)])
}

/// RFC 1123 subdomain.
pub fn dns_subdomain(text: &str) -> Reasons {
    let shape = text.split('.').all(is_label);
    reasons([(text.len() > DNS_SUBDOMAIN_MAX_BYTES, SUBDOMAIN_LENGTH), (!shape, SUBDOMAIN_LETTERS)])
}

/// `*.` and an RFC 1123 subdomain.
pub fn wildcard_dns_subdomain(text: &str) -> Reasons {
    let shape = text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_label));
    reasons([(text.len() > DNS_SUBDOMAIN_MAX_BYTES, SUBDOMAIN_LENGTH), (!shape, SUBDOMAIN_LETTERS)])
}

/// A label's value.
pub fn label_value(text: &str) -> Reasons {
    let shape = text.is_empty() || is_name_part(text);
    reasons([(text.len() > LABEL_VALUE_MAX_BYTES, LABEL_LENGTH), (!shape, VALUE_LETTERS)])
}

/// `[prefix/]name`: a label's or annotation's key, a finalizer, a resource name.
pub fn qualified_name(text: &str) -> Reasons {
    let mut reasons = Reasons::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, rest)) if rest.contains('/') => {
            return vec!["a qualified name must consist of a name with an optional DNS subdomain prefix and '/'"];
        }
        Some(("", name)) => {
            reasons.push("prefix part must be non-empty");
            name
        }
        Some((prefix, name)) => {
            reasons.extend(dns_subdomain(prefix));
            name
        }
    };
    if name.is_empty() {
        reasons.push("name part must be non-empty");
    } else if name.len() > 63 {
        reasons.push("name part must be no more than 63 characters");
    }
    if !is_name_part(name) {
        reasons.push(NAME_LETTERS);
    }
    reasons
}

/// An address in its canonical spelling.
fn ip_address(text: &str) -> Reasons {
    let canonical = net::parse_ip(text).is_some_and(|ip| ip.to_string() == text);
    reasons([(!canonical, "must be a valid IP address in canonical form")])
}

/// A segment of a URL path.
pub fn path_segment(text: &str) -> Reasons {
    match text {
        "." | ".." => vec!["may not be '.' or '..'"],
        _ => path_segment_letters(text),
    }
}

/// What may stand in a segment of a URL path.
fn path_segment_letters(text: &str) -> Reasons {
    reasons([(text.contains('/'), "may not contain '/'"), (text.contains('%'), "may not contain '%'")])
}

/// A key of a ConfigMap or Secret: a file name.
pub fn config_key(text: &str) -> Reasons {
    let mut reasons = Reasons::new();
    if text.len() > DNS_SUBDOMAIN_MAX_BYTES {
        reasons.push(SUBDOMAIN_LENGTH);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        reasons.push("a valid config key must consist of alphanumeric characters, '-', '_' or '.'");
    }
    if text == "." {
        reasons.push("must not be '.'");
    } else if text == ".." {
        reasons.push("must not be '..'");
    } else if text.starts_with("..") {
        reasons.push("must not start with '..'");
    }
    reasons
}

/// A service's or container's port name: `IANA_SVC_NAME`.
pub fn port_name(text: &str) -> Reasons {
    let mut reasons = Reasons::new();
    if text.len() > 15 {
        reasons.push("must be no more than 15 characters");
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        reasons.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        reasons.push("must contain at least one letter (a-z)");
    }
    if text.contains("--") {
        reasons.push("must not contain consecutive hyphens");
    }
    if text.starts_with('-') || text.ends_with('-') {
        reasons.push("must not begin or end with a hyphen");
    }
    reasons
}

/// A word that starts with a letter and ends with a letter, a digit or `_`; `,` and `:` may stand between.
pub fn is_condition_reason(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b',' | b':'))
}

/// A version as semver.org defines it: `1.2.3`, `1.2.3-rc.1+build`.
pub fn is_semantic_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (numbers, release) = text.split_once('-').map_or((text, None), |(text, release)| (text, Some(release)));
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && release.is_none_or(|release| release.split('.').all(|part| word(part) && (!digits(part) || number(part))))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// A name of a C identifier's shape.
pub fn c_identifier(text: &str) -> Reasons {
    let fine = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fine {
        Reasons::new()
    } else {
        vec![
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        ]
    }
}

/// What the name of a kind's objects may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameRule {
    DnsSubdomain,
    /// An RFC 1123 subdomain, where only the name is looked at and not the prefix that it was generated from.
    LongName,
    DnsLabel,
    Dns1035Label,
    PathSegment,
    /// As [`Self::PathSegment`], and what names are generated from is looked at as a name.
    RbacName,
    /// `VERSION.GROUP` of the object's own specification.
    VersionAndGroup,
    /// An address in its canonical spelling.
    IpAddress,
    /// A path's segment, looked at where nothing else is wrong.
    AfterSpec,
}

impl NameRule {
    /// Reasons against a name, or against a prefix of generated names.
    pub fn reasons(self, name: &str, is_prefix: bool) -> Reasons {
        let check = match self {
            Self::AfterSpec => return Reasons::new(),
            Self::LongName if is_prefix => return Reasons::new(),
            Self::DnsSubdomain | Self::LongName => dns_subdomain,
            Self::DnsLabel => dns_label,
            Self::Dns1035Label => dns_1035_label,
            Self::PathSegment if is_prefix => path_segment_letters,
            Self::PathSegment | Self::RbacName | Self::VersionAndGroup => path_segment,
            Self::IpAddress => ip_address,
        };
        match name.strip_suffix('-') {
            // The reference puts the letter in the place of the last two characters.
            Some(start) if is_prefix && !start.is_empty() && !self.is_of_paths() => {
                let mut shorter = start.chars();
                shorter.next_back();
                check(&format!("{}a", shorter.as_str()))
            }
            _ => check(name),
        }
    }

    fn is_of_paths(self) -> bool {
        matches!(self, Self::PathSegment | Self::RbacName | Self::VersionAndGroup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_part_of_a_rule_is_counted() {
        assert_eq!(qualified_name("").len(), 2);
        assert_eq!(qualified_name("example.com/").len(), 2);
        assert_eq!(qualified_name("bad name/").len(), 3);
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert_eq!(dns_label(&"a".repeat(64)).len(), 1);
        assert_eq!(dns_label(&"A".repeat(64)).len(), 2);
        assert_eq!(dns_label(&"é".repeat(64)).len(), 2);
        assert_eq!(dns_subdomain(&format!("{}.{}", "a".repeat(200), "b".repeat(100))).len(), 1);
        assert_eq!(port_name("Bad_").len(), 1);
        assert!(port_name("http-2").is_empty() && port_name("123").len() == 1);
        assert_eq!(config_key("..").len(), 1);
    }

    #[test]
    fn prefixes_of_generated_names_may_end_with_a_dash() {
        assert!(NameRule::DnsLabel.reasons("web-", true).is_empty());
        assert_eq!(NameRule::DnsLabel.reasons("web-", false).len(), 1);
        assert_eq!(NameRule::DnsSubdomain.reasons("-bad", true).len(), 1);
        assert!(NameRule::DnsLabel.reasons("B-", true).is_empty(), "what becomes of it is for the name to say");
        assert!(NameRule::PathSegment.reasons("..", true).is_empty());
        assert_eq!(NameRule::RbacName.reasons("..", true).len(), 1);
        assert!(NameRule::RbacName.reasons("a-", true).is_empty());
    }
}
