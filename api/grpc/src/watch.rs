//! Many watches over one stream: a task for each, one queue for what they say.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use gantry_meta::Status;
use gantry_proto::v1::{
    self, WatchCommand, WatchEnd, WatchMessage, WatchStart, watch_command::Command, watch_message::Message,
};
use gantry_registry::{ApiResponse, WatchEvent, WatchEventType};
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{door::Caller, refusal::status_json, request};

/// Messages that wait for a slow client; the watches wait behind them, and the watch cache keeps their history meanwhile.
const QUEUE: usize = 256;

/// Carries out the commands of a client; the stream ends when there are no more commands and no watch is left.
pub(crate) fn multiplex(
    caller: Caller,
    commands: Streaming<WatchCommand>,
) -> impl Stream<Item = WatchMessage> + Send + 'static {
    let (out, messages) = mpsc::channel(QUEUE);
    tokio::spawn(obey(caller, commands, out));
    ReceiverStream::new(messages)
}

async fn obey(caller: Caller, mut commands: Streaming<WatchCommand>, out: mpsc::Sender<WatchMessage>) {
    let mut watches: HashMap<u64, AbortHandle> = HashMap::new();
    let lost = loop {
        let next = tokio::select! {
            next = commands.message() => next,
            () = out.closed() => break true,
            () = caller.server_stops() => break true,
        };
        match next {
            Ok(Some(WatchCommand { id, command: Some(Command::Start(start)) })) => {
                watches.retain(|_, watch| !watch.is_finished());
                let task = tokio::spawn(follow(caller.clone(), id, *start, out.clone()));
                if let Some(earlier) = watches.insert(id, task.abort_handle()) {
                    earlier.abort();
                }
            }
            Ok(Some(WatchCommand { id, command: Some(Command::Stop(_)) })) => {
                if let Some(watch) = watches.remove(&id) {
                    watch.abort();
                    let _ = out.send(end(id, Bytes::new())).await;
                }
            }
            Ok(Some(WatchCommand { command: None, .. })) => {}
            // The client has said all it wants; its watches go on.
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    if lost {
        watches.values().for_each(AbortHandle::abort);
    }
}

/// Runs one watch to its end, and says how it ended.
async fn follow(caller: Caller, id: u64, start: WatchStart, out: mpsc::Sender<WatchMessage>) {
    let status = tokio::select! {
        status = deliver(&caller, id, start, &out) => status,
        () = out.closed() => return,
        () = caller.server_stops() => return,
    };
    let status = status.map(|status| status_json(&status).into()).unwrap_or_default();
    let _ = out.send(end(id, status)).await;
}

/// `None`: the watch ended in order.
async fn deliver(caller: &Caller, id: u64, start: WatchStart, out: &mpsc::Sender<WatchMessage>) -> Option<Status> {
    let request = match request::watch(start) {
        Ok(request) => request,
        Err(status) => return Some(*status),
    };
    let mut events = match caller.execute(request).await.0 {
        Ok(ApiResponse::Watch(watch)) => watch.events,
        Ok(_) => return Some(Status::internal("the executor answered a watch with something else")),
        Err(status) => return Some(status),
    };
    while let Some(events) = events.next().await {
        for event in events.into_events() {
            let message = match message(&event) {
                Ok(event) => WatchMessage { id, message: Some(Message::Event(event)) },
                Err(status) => return Some(status),
            };
            out.send(message).await.ok()?;
        }
    }
    None
}

fn message(event: &WatchEvent) -> Result<v1::WatchEvent, Status> {
    let kind = match event.event_type {
        WatchEventType::Added => v1::WatchEventType::Added,
        WatchEventType::Modified => v1::WatchEventType::Modified,
        WatchEventType::Deleted => v1::WatchEventType::Deleted,
        WatchEventType::Bookmark => v1::WatchEventType::Bookmark,
        WatchEventType::Error => {
            return Err(serde_json::from_slice(&event.json()).expect("an error event carries a Status"));
        }
    };
    Ok(v1::WatchEvent { r#type: kind.into(), json: event.json() })
}

fn end(id: u64, status: Bytes) -> WatchMessage {
    WatchMessage { id, message: Some(Message::End(WatchEnd { status })) }
}
