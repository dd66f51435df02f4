//! A watch's body: one JSON frame a line.

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use gantry_runtime::{SourceError, WatchEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{ClientError, decode, error::source_error};

/// A frame longer than this is no frame of an API server (objects are limited to 3 MiB).
const MAX_FRAME_BYTES: usize = 32 << 20;

#[derive(Deserialize)]
struct Frame<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The events of a watch's body.
pub(super) fn events(
    body: impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static,
) -> impl Stream<Item = Result<WatchEvent, SourceError>> + Send + 'static {
    let state = (Box::pin(body), Lines::default());
    stream::unfold(Some(state), |state| async move {
        let (mut body, mut lines) = state?;
        loop {
            if let Some(line) = lines.next() {
                let event = event(line);
                // After an error the server ends the watch; so do we.
                let next = event.is_ok().then_some((body, lines));
                return Some((event, next));
            }
            match body.next().await {
                None => return None,
                Some(Ok(chunk)) if lines.push(&chunk) => {}
                Some(Ok(_)) => return Some((Err(SourceError::Unavailable("a watch frame is too long".into())), None)),
                Some(Err(error)) => return Some((Err(source_error(error)), None)),
            }
        }
    })
}

/// Cuts chunks into lines.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// How far the buffer was searched already.
    searched: usize,
}

impl Lines {
    /// False: the line is too long.
    fn push(&mut self, chunk: &[u8]) -> bool {
        self.buffer.extend_from_slice(chunk);
        self.buffer.len() <= MAX_FRAME_BYTES
    }

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return None;
            };
            let line = self.buffer.split_to(self.searched + found).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

fn event(line: Bytes) -> Result<WatchEvent, SourceError> {
    let bad = |error: serde_json::Error| SourceError::Unavailable(format!("a watch frame cannot be read: {error}"));
    let frame: Frame<'_> = serde_json::from_slice(&line).map_err(bad)?;
    let object = line.slice_ref(frame.object.get().as_bytes());
    let observed = |object| decode::observed(object).map_err(source_error);
    match &*frame.r#type {
        "ADDED" => Ok(WatchEvent::Added(observed(object)?)),
        "MODIFIED" => Ok(WatchEvent::Modified(observed(object)?)),
        "DELETED" => Ok(WatchEvent::Deleted(observed(object)?)),
        "BOOKMARK" => Ok(WatchEvent::Bookmark(observed(object)?.resource_version)),
        "ERROR" => Err(source_error(ClientError::Refused(decode::failure(500, &object)))),
        other => Err(SourceError::Unavailable(format!("a watch frame has the unknown type {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(chunks: &'static [&'static str]) -> Vec<Result<WatchEvent, SourceError>> {
        let body = stream::iter(chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        events(body).collect().await
    }

    #[tokio::test]
    async fn frames_are_cut_at_line_ends_wherever_chunks_end() {
        let seen = collect(&[
            r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"#,
            "\"}}}\n{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"5\"}}}",
            "\n",
            "\n{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n",
        ])
        .await;
        let seen: Vec<WatchEvent> = seen.into_iter().map(Result::unwrap).collect();
        assert!(matches!(&seen[0], WatchEvent::Added(a) if a.name == "a" && a.resource_version == "1"));
        assert_eq!(seen[1], WatchEvent::Bookmark("5".into()));
        assert!(matches!(&seen[2], WatchEvent::Deleted(a) if a.name == "a"));
    }

    #[tokio::test]
    async fn an_error_frame_ends_the_watch() {
        let seen = collect(&[
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n{}\n",
        ])
        .await;
        assert_eq!(seen.len(), 1);
        assert!(matches!(seen[0], Err(SourceError::Expired)));
    }
}
