//! All watches of a client over one stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use gantry_proto::v1::{
    self, WatchCommand, WatchEventType, WatchMessage, WatchStart, WatchStop, resources_client::ResourcesClient,
    watch_command::Command, watch_message::Message,
};
use gantry_runtime::{SourceError, WatchEvent, WatchStream};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::{client::Stub, error::client_error};
use crate::{ClientError, decode, error::source_error};

/// Events that wait for one watch before the others wait with it.
const QUEUE_PER_WATCH: usize = 1024;

type Event = Result<WatchEvent, SourceError>;

/// Routes events of the one stream to its watches; opens the stream when there is none.
pub(super) struct WatchHub {
    stub: ResourcesClient<Stub>,
    current: Mutex<Option<Arc<SharedStream>>>,
}

/// One open stream. It is given up as a whole: when it breaks, all its watches end with an error.
struct SharedStream {
    commands: mpsc::UnboundedSender<WatchCommand>,
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    next_id: u64,
    by_id: HashMap<u64, mpsc::Sender<Event>>,
    /// The stream broke: nothing more will come.
    broken: bool,
}

impl WatchHub {
    pub(super) fn new(stub: ResourcesClient<Stub>) -> Self {
        Self { stub, current: Mutex::new(None) }
    }

    /// Starts a watch. That the server refuses it is the stream's first item.
    pub(super) async fn start(&self, start: WatchStart) -> Result<WatchStream, SourceError> {
        let shared = self.shared();
        let (sender, events) = mpsc::channel(QUEUE_PER_WATCH);
        let Some(id) = shared.add(sender) else {
            return Err(SourceError::Unavailable("the watch stream broke just now".into()));
        };
        let watch = HubWatch { id, events, shared: shared.clone() };
        if !shared.send(id, Command::Start(Box::new(start))) {
            return Err(SourceError::Unavailable("the watch stream broke just now".into()));
        }
        Ok(watch.boxed())
    }

    /// The open stream, or a new one that opens in the background.
    fn shared(&self) -> Arc<SharedStream> {
        let mut current = self.current.lock();
        if let Some(shared) = &*current
            && !shared.routes.lock().broken
        {
            return shared.clone();
        }
        let (commands, outgoing) = mpsc::unbounded_channel();
        let shared = Arc::new(SharedStream { commands, routes: Mutex::default() });
        tokio::spawn(run(self.stub.clone(), outgoing, Arc::downgrade(&shared)));
        *current = Some(shared.clone());
        shared
    }
}

/// Opens the stream and routes what comes until it ends, or nobody holds it any more.
async fn run(
    mut stub: ResourcesClient<Stub>,
    outgoing: mpsc::UnboundedReceiver<WatchCommand>,
    shared: std::sync::Weak<SharedStream>,
) {
    let why = match stub.watch(UnboundedReceiverStream::new(outgoing)).await {
        Ok(reply) => route(reply.into_inner(), &shared).await,
        Err(status) => client_error(&status),
    };
    if let Some(shared) = shared.upgrade() {
        shared.break_off(why).await;
    }
}

async fn route(mut incoming: Streaming<WatchMessage>, shared: &std::sync::Weak<SharedStream>) -> ClientError {
    loop {
        match incoming.message().await {
            Ok(Some(message)) => {
                let Some(shared) = shared.upgrade() else { break };
                shared.deliver(message).await;
            }
            Ok(None) => break,
            Err(status) => return client_error(&status),
        }
    }
    ClientError::Unavailable("the server ended the watch stream".into())
}

impl SharedStream {
    fn add(&self, events: mpsc::Sender<Event>) -> Option<u64> {
        let mut routes = self.routes.lock();
        if routes.broken {
            return None;
        }
        routes.next_id += 1;
        let id = routes.next_id;
        routes.by_id.insert(id, events);
        Some(id)
    }

    fn send(&self, id: u64, command: Command) -> bool {
        self.commands.send(WatchCommand { id, command: Some(command) }).is_ok()
    }

    async fn deliver(&self, message: WatchMessage) {
        let id = message.id;
        let Some(sender) = self.routes.lock().by_id.get(&id).cloned() else { return };
        match message.message {
            Some(Message::Event(event)) => {
                let _ = sender.send(event_of(event)).await;
            }
            Some(Message::End(end)) => {
                self.routes.lock().by_id.remove(&id);
                if !end.status.is_empty() {
                    let refused = ClientError::Refused(decode::failure(500, &end.status));
                    let _ = sender.send(Err(source_error(refused))).await;
                }
            }
            None => {}
        }
    }

    async fn break_off(&self, why: ClientError) {
        let senders: Vec<mpsc::Sender<Event>> = {
            let mut routes = self.routes.lock();
            routes.broken = true;
            routes.by_id.drain().map(|(_, sender)| sender).collect()
        };
        for sender in senders {
            let why = match &why {
                ClientError::Refused(status) => ClientError::Refused(status.clone()),
                ClientError::Unavailable(text) => ClientError::Unavailable(text.clone()),
            };
            let _ = sender.send(Err(source_error(why))).await;
        }
    }
}

fn event_of(event: v1::WatchEvent) -> Event {
    let kind = event.r#type();
    let observed = decode::observed(event.json).map_err(source_error)?;
    Ok(match kind {
        WatchEventType::Added => WatchEvent::Added(observed),
        WatchEventType::Modified => WatchEvent::Modified(observed),
        WatchEventType::Deleted => WatchEvent::Deleted(observed),
        WatchEventType::Bookmark => WatchEvent::Bookmark(observed.resource_version),
        WatchEventType::Unspecified => return Err(SourceError::Unavailable("a watch event has no type".into())),
    })
}

/// One watch; dropping it stops it on the server.
struct HubWatch {
    id: u64,
    events: mpsc::Receiver<Event>,
    shared: Arc<SharedStream>,
}

impl Stream for HubWatch {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(cx)
    }
}

impl Drop for HubWatch {
    fn drop(&mut self) {
        if self.shared.routes.lock().by_id.remove(&self.id).is_some() {
            // A stream that broke meanwhile has stopped the watch already.
            let _ = self.shared.send(self.id, Command::Stop(WatchStop {}));
        }
    }
}
