//! Building the manifest while the plugin is compiled, so that it can lie in a section that the host reads before it loads
//! anything. JSON text is put together from parts; parts that come from authors are checked to need no escapes.

use gantry_abi as abi;

/// The length of all parts together.
pub const fn total_len(parts: &[&str]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < parts.len() {
        n += parts[i].len();
        i += 1;
    }
    n
}

/// All parts one after the other. `N` is their [`total_len`].
pub const fn concat<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut out = [0; N];
    let (mut at, mut i) = (0, 0);
    while i < parts.len() {
        let bytes = parts[i].as_bytes();
        let mut j = 0;
        while j < bytes.len() {
            out[at] = bytes[j];
            at += 1;
            j += 1;
        }
        i += 1;
    }
    assert!(at == N, "N is the parts' total length");
    out
}

/// The length of `["a","b"]` without its brackets.
pub const fn joined_len(items: &[&str]) -> usize {
    let quotes_and_commas = if items.is_empty() { 0 } else { 3 * items.len() - 1 };
    total_len(items) + quotes_and_commas
}

/// `"a","b"`. `N` is the [`joined_len`] of the items.
pub const fn joined<const N: usize>(items: &[&str]) -> [u8; N] {
    let mut out = [0; N];
    let (mut at, mut i) = (0, 0);
    while i < items.len() {
        if i > 0 {
            out[at] = b',';
            at += 1;
        }
        out[at] = b'"';
        at += 1;
        let bytes = plain(items[i]).as_bytes();
        let mut j = 0;
        while j < bytes.len() {
            out[at] = bytes[j];
            at += 1;
            j += 1;
        }
        out[at] = b'"';
        at += 1;
        i += 1;
    }
    out
}

/// `text`, which must need no escapes within a JSON string: fails to compile otherwise.
pub const fn plain(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i] >= 0x20 && bytes[i] != b'"' && bytes[i] != b'\\',
            "an id, a version or a column holds \" or \\"
        );
        i += 1;
    }
    text
}

/// How many texts the lists hold together.
pub const fn flat_len(lists: &[&[&str]]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < lists.len() {
        n += lists[i].len();
        i += 1;
    }
    n
}

/// All texts of the lists, in order. `N` is their [`flat_len`].
pub const fn flat<const N: usize>(lists: &[&[&'static str]]) -> [&'static str; N] {
    let mut out = [""; N];
    let (mut at, mut i) = (0, 0);
    while i < lists.len() {
        let mut j = 0;
        while j < lists[i].len() {
            out[at] = lists[i][j];
            at += 1;
            j += 1;
        }
        i += 1;
    }
    out
}

/// The texts as the ABI carries them. `N` is their number.
pub const fn strs<const N: usize>(texts: &[&'static str]) -> [abi::Str; N] {
    let mut out = [abi::Str::EMPTY; N];
    let mut i = 0;
    while i < N {
        out[i] = abi::Str::of(texts[i]);
        i += 1;
    }
    out
}

/// Bytes made by [`concat`] or [`joined`], as text.
pub const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("made of whole texts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_one_text() {
        const PARTS: &[&str] = &["{\"a\":[", text(&joined::<{ joined_len(&["x", "yy"]) }>(&["x", "yy"])), "]}"];
        const BYTES: [u8; total_len(PARTS)] = concat(PARTS);
        assert_eq!(text(&BYTES), r#"{"a":["x","yy"]}"#);
        assert_eq!(joined_len(&[]), 0);
    }
}
