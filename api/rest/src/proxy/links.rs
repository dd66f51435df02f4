//! Links in what a proxied server answers: those to its own root lead through the proxy again. Source: API reference,
//! "proxy" subresources: pages are rewritten, everything else is passed on as it is.

use bytes::{Bytes, BytesMut};

/// A tag that is longer is no tag: it is passed on.
const MAX_TAG_BYTES: usize = 64 << 10;

/// The attributes that hold links, by element.
const LINKS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Rewrites a page as it comes in pieces.
pub(super) struct LinkRewriter {
    /// What stands in front of the far server's paths, without a slash at its end.
    prefix: String,
    /// The beginning of a tag whose end has not come yet.
    tag: BytesMut,
}

impl LinkRewriter {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), tag: BytesMut::new() }
    }

    /// What can be passed on of the page so far.
    pub fn push(&mut self, piece: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(piece.len());
        for &byte in piece {
            if self.tag.is_empty() && byte != b'<' {
                out.extend_from_slice(&[byte]);
                continue;
            }
            self.tag.extend_from_slice(&[byte]);
            if byte == b'>' {
                let tag = self.tag.split();
                out.extend_from_slice(&rewrite_tag(&tag, &self.prefix));
            } else if self.tag.len() > MAX_TAG_BYTES {
                out.extend_from_slice(&self.tag.split());
            }
        }
        out.freeze()
    }

    /// What is left at the page's end.
    pub fn finish(&mut self) -> Bytes {
        self.tag.split().freeze()
    }
}

/// The link as it leads through the proxy, if it leads to the far server's root.
pub(super) fn through_proxy(link: &str, prefix: &str) -> Option<String> {
    let to_root = link.starts_with('/') && !link.starts_with("//");
    to_root.then(|| format!("{prefix}{link}"))
}

fn rewrite_tag(tag: &[u8], prefix: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(tag) else { return tag.to_vec() };
    let name: String =
        text[1..].chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let Some((_, attributes)) = LINKS.iter().find(|(element, _)| *element == name) else { return tag.to_vec() };
    let (mut out, mut rest) = (String::with_capacity(text.len() + prefix.len()), text);
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        out.push_str(before);
        let attribute = before[..equals].trim_end().rsplit([' ', '\t', '\n', '\r', '"', '\'', '/']).next();
        let is_link = attribute.is_some_and(|a| attributes.iter().any(|known| known.eq_ignore_ascii_case(a)));
        let (opening, value, following) = value_of(after);
        out.push_str(opening);
        out.push_str(&through_proxy(value, prefix).filter(|_| is_link).unwrap_or_else(|| value.to_owned()));
        rest = following;
    }
    out.push_str(rest);
    out.into_bytes()
}

/// What stands before an attribute's value (blanks and its quote), the value, and what follows.
fn value_of(after: &str) -> (&str, &str, &str) {
    let blanks = after.len() - after.trim_start().len();
    let quote = after[blanks..].chars().next().filter(|c| matches!(c, '"' | '\''));
    let start = blanks + quote.map_or(0, char::len_utf8);
    let is_end = |c: char| quote.map_or(c.is_whitespace() || c == '>', |quote| c == quote);
    let end = after[start..].find(is_end).map_or(after.len(), |at| start + at);
    (&after[..start], &after[start..end], &after[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(pieces: &[&str]) -> String {
        let mut rewriter = LinkRewriter::new("/p/proxy");
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| rewriter.push(piece.as_bytes())).collect();
        out.extend(rewriter.finish());
        String::from_utf8(out).expect("text stays text")
    }

    #[test]
    fn links_to_the_root_lead_through_the_proxy() {
        assert_eq!(rewritten(&[r#"<a href="/x?y=/z">t</a>"#]), r#"<a href="/p/proxy/x?y=/z">t</a>"#);
        assert_eq!(rewritten(&["<IMG alt=/a SRC = '/x'>"]), "<IMG alt=/a SRC = '/p/proxy/x'>");
        assert_eq!(rewritten(&["<link href=/x>"]), "<link href=/p/proxy/x>");
    }

    #[test]
    fn other_links_and_text_stay() {
        for page in [r#"<a href="x">/y</a>"#, r#"<a href="//far/x">"#, r#"<p title="/x">"#, "1 < 2 href='/x'"] {
            assert_eq!(rewritten(&[page]), page);
        }
    }

    #[test]
    fn a_tag_may_come_in_pieces() {
        assert_eq!(rewritten(&["a<a hr", "ef='/", "x'>b"]), "a<a href='/p/proxy/x'>b");
    }
}
