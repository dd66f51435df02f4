//! Continue tokens: where the next page of a list begins, in the reference's form, so that one that a client keeps or makes means the
//! same here.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use gantry_meta::Status;
use gantry_storage::{Key, Revision};
use gantry_watch_cache::PageCursor;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "meta.k8s.io/v1";
/// The bits behind the last byte may be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);
/// In the place of a revision: whatever is the newest one.
const NEWEST: i64 = -1;

/// A place in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ContinueToken {
    /// `None`: go on at the newest revision, with whatever stands there (the inconsistent continuation).
    pub revision: Option<Revision>,
    pub cursor: PageCursor,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    /// The first key of the page, without the list's prefix: a token can only lead into the list it is used on.
    #[serde(default)]
    start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

impl ContinueToken {
    /// `prefix` is that of the keys in the list.
    pub fn encode(&self, prefix: &str) -> String {
        let revision = self.revision.and_then(|revision| i64::try_from(revision.0).ok());
        let written = Written {
            v: FORMAT.into(),
            rv: revision.unwrap_or(NEWEST),
            start: self.cursor.from.as_str().strip_prefix(prefix).unwrap_or_default().to_owned(),
            left: self.cursor.remaining,
        };
        BASE64.encode(serde_json::to_vec(&written).expect("numbers and text can be written as JSON"))
    }

    /// 400 for anything that could not be a place in a list.
    pub fn decode(text: &str, prefix: &str) -> Result<Self, Status> {
        let refused = || Status::bad_request("continue key is not valid: use the token of the page before, unchanged");
        let bytes = BASE64.decode(text).map_err(|_| refused())?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| refused())?;
        let start = written.start.strip_prefix('/').unwrap_or(&written.start);
        if written.v != FORMAT || written.rv == 0 || written.start.is_empty() || !is_clean(start) {
            return Err(refused());
        }
        let revision = u64::try_from(written.rv).ok().map(Revision);
        Ok(Self {
            revision,
            // What was counted at a revision says nothing about another.
            cursor: PageCursor {
                from: Key::from_stored(&format!("{prefix}{start}")),
                remaining: written.left.filter(|_| revision.is_some()),
            },
        })
    }
}

/// True for a path that leads down only, without detours.
fn is_clean(path: &str) -> bool {
    path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/core/pods/";

    fn decoded(json: &str) -> Result<ContinueToken, u16> {
        ContinueToken::decode(&BASE64.encode(json), PREFIX).map_err(|status| status.code)
    }

    #[test]
    fn a_token_comes_back_as_it_was() {
        let cursor = PageCursor { from: Key::new("", "pods", "default", "a\0"), remaining: Some(7) };
        let token = ContinueToken { revision: Some(Revision(12)), cursor };
        assert_eq!(ContinueToken::decode(&token.encode(PREFIX), PREFIX).unwrap(), token);
    }

    #[test]
    fn a_token_means_the_same_place_in_the_list_it_is_used_on() {
        let token = decoded(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"b\u0000"}"#).unwrap();
        assert_eq!((token.revision, token.cursor.from.as_str()), (Some(Revision(5)), "/core/pods/b\0"));
        let rooted = decoded(r#"{"v":"meta.k8s.io/v1","rv":-8,"start":"/n/b","more":1}"#).unwrap();
        assert_eq!((rooted.revision, rooted.cursor.from.as_str()), (None, "/core/pods/n/b"));
        let counted = decoded(r#"{"v":"meta.k8s.io/v1","rv":-1,"start":"b","left":3}"#).unwrap();
        assert_eq!(counted.cursor.remaining, None, "counted at another revision");
    }

    #[test]
    fn what_is_no_place_in_a_list_is_refused() {
        for bad in ["garbage", "AAAA", "", "e30="] {
            assert_eq!(ContinueToken::decode(bad, PREFIX).unwrap_err().code, 400, "{bad}");
        }
        for bad in [
            "null",
            "[]",
            "{}",
            r#"{"v":"meta.k8s.io/v2","rv":1,"start":"a"}"#,
            r#"{"v":"meta.k8s.io/v1","start":"a"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../secrets"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a//b"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a/./b"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a/"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":"1","start":"a"}"#,
        ] {
            assert_eq!(decoded(bad).unwrap_err(), 400, "{bad}");
        }
    }
}
