//! Continue tokens: where the next page of a list begins, opaque to clients and checked when they come back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use gantry_meta::Status;
use gantry_storage::{Key, Revision};
use gantry_watch_cache::PageCursor;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "gantry.dev/v1";

/// A place in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ContinueToken {
    /// `None`: go on at the newest revision, with whatever stands there (the inconsistent continuation).
    pub revision: Option<Revision>,
    pub cursor: PageCursor,
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rv: Option<u64>,
    /// The last key of the page before, without the resource's prefix: a token can only lead into its own resource.
    after: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

impl ContinueToken {
    /// `prefix` is the resource's prefix of keys.
    pub fn encode(&self, prefix: &str) -> String {
        let written = Written {
            v: FORMAT.into(),
            rv: self.revision.map(|revision| revision.0),
            after: self.cursor.after.as_str().strip_prefix(prefix).unwrap_or_default().to_owned(),
            left: self.cursor.remaining,
        };
        BASE64.encode(serde_json::to_vec(&written).expect("numbers and text can be written as JSON"))
    }

    /// 400 for anything that [`Self::encode`] did not write.
    pub fn decode(text: &str, prefix: &str) -> Result<Self, Status> {
        let refused = || Status::bad_request("continue key is not valid: use the token of the page before, unchanged");
        let bytes = BASE64.decode(text).map_err(|_| refused())?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| refused())?;
        if written.v != FORMAT || written.after.is_empty() || written.rv == Some(0) {
            return Err(refused());
        }
        Ok(Self {
            revision: written.rv.map(Revision),
            cursor: PageCursor {
                after: Key::from_stored(&format!("{prefix}{}", written.after)),
                remaining: written.left,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_and_anything_else_is_refused() {
        let cursor = PageCursor { after: Key::new("", "pods", "default", "a"), remaining: Some(7) };
        let token = ContinueToken { revision: Some(Revision(12)), cursor };
        let prefix = "/core/pods/";
        assert_eq!(ContinueToken::decode(&token.encode(prefix), prefix).unwrap(), token);
        for bad in ["garbage", "AAAA", "", &BASE64.encode(r#"{"v":"x","after":"a"}"#)] {
            assert_eq!(ContinueToken::decode(bad, prefix).unwrap_err().code, 400, "{bad}");
        }
    }
}
