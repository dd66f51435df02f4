//! Watches: events as lines of JSON or frames of protobuf, several in one chunk where several are there.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use gantry_kinds::Resource;
use gantry_meta::{Reason, Status};
use gantry_registry::{WatchEvent, WatchEventType, WatchEvents, WatchResponse};
use tokio_util::sync::CancellationToken;

use super::{Encoding, Form, View, Wish, records::Records, view};
use crate::metrics::Counted;

/// Events that are there are sent together until a chunk has this size.
const CHUNK_BYTES: usize = 64 << 10;

/// A watch over plain HTTP.
pub(crate) fn watch(
    answer: WatchResponse,
    resource: &Resource,
    wish: Wish<'_>,
    counted: Counted,
    shutdown: CancellationToken,
) -> Result<HttpResponse, Status> {
    let writer = EventWriter::new(resource, wish)?;
    let mut response = HttpResponse::Ok();
    response.content_type(writer.content_type());
    let events = writer.events(answer, shutdown);
    let frames = Frames { events, waiting: Vec::new().into_iter(), writer, ended: false, _counted: counted };
    Ok(response.streaming(Records::of(frames)))
}

/// Writes events in the form and encoding that the client takes.
pub(crate) struct EventWriter {
    view: Option<View>,
    protobuf: bool,
    /// The next event is the watch's first.
    first: bool,
    /// Single objects are no lists: such a watch ends before its first object, as the reference's does.
    empty: bool,
}

impl EventWriter {
    /// 406 for an encoding that has no frames, 400 for an `includeObject` that is none.
    pub fn new(resource: &Resource, wish: Wish<'_>) -> Result<Self, Status> {
        if wish.accepted.encoding == Encoding::Yaml {
            let message = "watches are served as application/json or application/vnd.kubernetes.protobuf";
            return Err(Status::failure(Reason::NotAcceptable, message));
        }
        Ok(Self {
            view: View::new(wish.accepted.form, resource, "", wish.include_object)?,
            protobuf: wish.accepted.encoding == Encoding::Protobuf,
            first: true,
            empty: matches!(wish.accepted.form, Form::PartialObjectMetadataList(_)),
        })
    }

    pub fn content_type(&self) -> &'static str {
        if self.protobuf { "application/vnd.kubernetes.protobuf;stream=watch" } else { "application/json" }
    }

    /// True if events are bytes and not text.
    pub fn is_binary(&self) -> bool {
        self.protobuf
    }

    /// The events that are to be written, until the server ends.
    pub fn events(&self, answer: WatchResponse, shutdown: CancellationToken) -> BoxStream<'static, WatchEvents> {
        let events = answer.events.take_until(shutdown.cancelled_owned());
        if !self.empty {
            return events.boxed();
        }
        let is_error = |events: &WatchEvents| matches!(events, WatchEvents::Own(own) if own.iter().all(is_error));
        events.take_while(move |events| std::future::ready(is_error(events))).boxed()
    }

    /// All of them as a stream carries them, where that was written for every watch that takes them so.
    fn written(&self, events: &WatchEvents) -> Option<Bytes> {
        match (&self.view, self.protobuf) {
            (Some(_), _) => None,
            (None, true) => events.protobuf_frames(|event, out| write_protobuf(event.event_type, &event.json(), out)),
            (None, false) => events.json_lines(),
        }
    }

    /// Appends one event as a stream carries it: a line of JSON, or a protobuf message behind its length.
    pub fn write(&mut self, event: &WatchEvent, out: &mut BytesMut) {
        let kind = event.event_type;
        let viewed = self.view.as_ref().filter(|_| kind != WatchEventType::Error).map(|view| {
            let shown = view.one(&view::tree(&event.json()), self.first);
            serde_json::to_vec(&shown).expect("a tree can always be written")
        });
        self.first = false;
        if self.protobuf {
            return write_protobuf(kind, &viewed.map_or_else(|| event.json(), Bytes::from), out);
        }
        out.extend_from_slice(head(kind));
        match viewed {
            Some(json) => {
                out.extend_from_slice(&json);
                out.extend_from_slice(b"}\n");
            }
            None => out.extend_from_slice(event.frame_tail()),
        }
    }
}

fn is_error(event: &WatchEvent) -> bool {
    event.event_type == WatchEventType::Error
}

fn write_protobuf(kind: WatchEventType, json: &[u8], out: &mut BytesMut) {
    let frame = gantry_codec::to_protobuf_frame(kind.as_str(), json);
    out.extend_from_slice(&frame.expect("what is watched is of a built-in kind"));
}

fn head(kind: WatchEventType) -> &'static [u8] {
    match kind {
        WatchEventType::Added => br#"{"type":"ADDED","object":"#,
        WatchEventType::Modified => br#"{"type":"MODIFIED","object":"#,
        WatchEventType::Deleted => br#"{"type":"DELETED","object":"#,
        WatchEventType::Bookmark => br#"{"type":"BOOKMARK","object":"#,
        WatchEventType::Error => br#"{"type":"ERROR","object":"#,
    }
}

struct Frames {
    events: BoxStream<'static, WatchEvents>,
    /// Taken from the stream and still to be written.
    waiting: vec::IntoIter<WatchEvent>,
    writer: EventWriter,
    ended: bool,
    _counted: Counted,
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut chunk = BytesMut::new();
        loop {
            this.write_waiting(&mut chunk);
            if this.ended || chunk.len() >= CHUNK_BYTES {
                break;
            }
            match this.events.as_mut().poll_next(cx) {
                Poll::Ready(Some(events)) => match this.writer.written(&events) {
                    Some(written) if chunk.is_empty() => return Poll::Ready(Some(Ok(written))),
                    Some(written) => chunk.extend_from_slice(&written),
                    None => this.waiting = events.into_events().into_iter(),
                },
                Poll::Ready(None) => this.ended = true,
                Poll::Pending if chunk.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if chunk.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(chunk.freeze()))) }
    }
}

impl Frames {
    fn write_waiting(&mut self, chunk: &mut BytesMut) {
        while chunk.len() < CHUNK_BYTES
            && let Some(event) = self.waiting.next()
        {
            self.writer.write(&event, chunk);
        }
    }
}
