//! Reading just enough of what the server sends: who an object is, where a list ends. Objects stay slices of the answer.

use bytes::Bytes;
use gantry_meta::{Reason, Status};
use gantry_runtime::{Listed, Observed};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ClientError;

/// A list's own metadata.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    resource_version: String,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    metadata: Metadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

fn unreadable(error: &serde_json::Error) -> ClientError {
    ClientError::Unavailable(format!("the server's answer cannot be read: {error}"))
}

/// An object's bytes with the parts of its metadata that identify it.
pub(crate) fn observed(json: Bytes) -> Result<Observed, ClientError> {
    Observed::read(json).map_err(|error| unreadable(&error))
}

/// A list's items as slices of its body.
pub(crate) fn listed(body: &Bytes) -> Result<Listed, ClientError> {
    let list: List<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let items = list.items.unwrap_or_default();
    let items =
        items.into_iter().map(|item| observed(body.slice_ref(item.get().as_bytes()))).collect::<Result<_, _>>()?;
    Ok(Listed { resource_version: list.metadata.resource_version, items })
}

/// The Status of a failure; one of our own making where the body holds none (a proxy's page, plain text).
pub(crate) fn failure(code: u16, body: &[u8]) -> Box<Status> {
    if let Ok(status) = serde_json::from_slice::<Status>(body)
        && status.code >= 400
    {
        return Box::new(status);
    }
    let text: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
    let mut status = Status::success(code);
    (status.reason, status.message) = (reason_of(code), format!("HTTP {code}: {text}"));
    Box::new(status)
}

fn reason_of(code: u16) -> Option<Reason> {
    Some(match code {
        400 => Reason::BadRequest,
        401 => Reason::Unauthorized,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        409 => Reason::Conflict,
        410 => Reason::Expired,
        429 => Reason::TooManyRequests,
        503 => Reason::ServiceUnavailable,
        504 => Reason::Timeout,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_share_its_bytes() {
        let body = Bytes::from_static(
            br#"{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7"},"x":1}]}"#,
        );
        let list = listed(&body).unwrap();
        assert_eq!((&*list.resource_version, list.items.len()), ("9", 1));
        let item = &list.items[0];
        assert_eq!((&*item.namespace, &*item.name, &*item.uid, &*item.resource_version), ("n", "a", "u", "7"));
        assert!(body.as_ptr_range().contains(&item.json.as_ptr()));
        assert!(listed(&Bytes::from_static(br#"{"metadata":{},"items":null}"#)).unwrap().items.is_empty());
    }

    #[test]
    fn a_failure_without_a_status_still_says_what_came() {
        let status = failure(503, b"upstream down");
        assert_eq!((status.code, status.reason), (503, Some(Reason::ServiceUnavailable)));
        assert!(status.message.contains("upstream down"));
    }
}
