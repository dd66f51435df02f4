//! Watches: events as lines of JSON or frames of protobuf, several in one chunk where several are there.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{HttpResponse, http::header};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use gantry_kinds::Resource;
use gantry_meta::{Reason, Status};
use gantry_registry::{WatchEvent, WatchEventType, WatchResponse};
use tokio_util::sync::CancellationToken;

use super::{Encoding, Form, View, Wish, view};
use crate::metrics::Counted;

/// Events that are there are sent together until a chunk has this size.
const CHUNK_BYTES: usize = 64 << 10;

pub(crate) fn watch(
    answer: WatchResponse,
    resource: &Resource,
    wish: Wish<'_>,
    counted: Counted,
    shutdown: CancellationToken,
) -> Result<HttpResponse, Status> {
    let content_type = match wish.accepted.encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Encoding::Yaml => {
            let message = "watches are served as application/json or application/vnd.kubernetes.protobuf";
            return Err(Status::failure(Reason::NotAcceptable, message));
        }
    };
    let view = View::new(wish.accepted.form, resource, "", wish.include_object)?;
    let events = answer.events.take_until(shutdown.cancelled_owned()).boxed();
    // Single objects are no lists: such a watch ends before its first event, as the reference's does.
    let ended = matches!(wish.accepted.form, Form::PartialObjectMetadataList(_));
    let protobuf = wish.accepted.encoding == Encoding::Protobuf;
    let frames = Frames { events, view, protobuf, first: true, ended, _counted: counted };
    let mut response = HttpResponse::Ok();
    response.content_type(content_type);
    response.insert_header((header::CACHE_CONTROL, "no-cache, private"));
    Ok(response.streaming(frames))
}

struct Frames {
    events: Pin<Box<dyn Stream<Item = WatchEvent> + Send>>,
    view: Option<View>,
    protobuf: bool,
    first: bool,
    ended: bool,
    _counted: Counted,
}

impl Frames {
    fn write(&mut self, event: &WatchEvent, out: &mut BytesMut) {
        let kind = event.event_type;
        if self.protobuf {
            let frame = gantry_codec::to_protobuf_frame(kind.as_str(), &event.json());
            out.extend_from_slice(&frame.expect("what is watched is of a built-in kind"));
            return;
        }
        let viewed = self.view.as_ref().filter(|_| kind != WatchEventType::Error).map(|view| {
            let shown = view.one(&view::tree(&event.json()), self.first);
            serde_json::to_vec(&shown).expect("a tree can always be written")
        });
        self.first = false;
        let head = match kind {
            WatchEventType::Added => &br#"{"type":"ADDED","object":"#[..],
            WatchEventType::Modified => br#"{"type":"MODIFIED","object":"#,
            WatchEventType::Deleted => br#"{"type":"DELETED","object":"#,
            WatchEventType::Bookmark => br#"{"type":"BOOKMARK","object":"#,
            WatchEventType::Error => br#"{"type":"ERROR","object":"#,
        };
        out.extend_from_slice(head);
        match viewed {
            Some(json) => {
                out.extend_from_slice(&json);
                out.extend_from_slice(b"}\n");
            }
            None => out.extend_from_slice(event.frame_tail()),
        }
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK_BYTES {
            match this.events.as_mut().poll_next(cx) {
                Poll::Ready(Some(event)) => this.write(&event, &mut chunk),
                Poll::Ready(None) => {
                    this.ended = true;
                    break;
                }
                Poll::Pending if chunk.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if chunk.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(chunk.freeze()))) }
    }
}
