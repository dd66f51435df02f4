//! What happens to containers, as containerd's own event service tells it.
//!
//! CRI's GetContainerEvents exists only from containerd 1.7 on; `containerd.services.events.v1.Events/Subscribe` is served
//! on the same socket by every version. The few messages that matter are declared by hand.

use std::pin::Pin;

use futures::{Stream, TryStreamExt, stream};
use prost::Message;
use tonic::{Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};

use crate::CriError;

/// containerd's namespace for everything that CRI makes.
pub const CRI_NAMESPACE: &str = "k8s.io";

#[derive(Clone, PartialEq, Message)]
struct SubscribeRequest {
    #[prost(string, repeated, tag = "1")]
    filters: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, tag = "3")]
    topic: String,
    #[prost(message, optional, tag = "4")]
    event: Option<prost_types::Any>,
}

/// The common beginning of TaskStart, TaskOOM, TaskExit: `container_id = 1`.
#[derive(Clone, PartialEq, Message)]
struct TaskEvent {
    #[prost(string, tag = "1")]
    container_id: String,
}

/// `TaskExit`: `id` differs from `container_id` when a process of an exec ended, not the container.
#[derive(Clone, PartialEq, Message)]
struct TaskExit {
    #[prost(string, tag = "1")]
    container_id: String,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(uint32, tag = "4")]
    exit_status: u32,
}

/// One thing that happened to a container or sandbox (a sandbox is the container of its pause process).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuntimeEvent {
    Started {
        id: String,
    },
    /// The main process ended. The runtime's own status may follow a moment later.
    Exited {
        id: String,
        exit_code: u32,
    },
    OutOfMemory {
        id: String,
    },
}

impl RuntimeEvent {
    /// The container or sandbox that the event is about.
    pub fn id(&self) -> &str {
        match self {
            Self::Started { id } | Self::Exited { id, .. } | Self::OutOfMemory { id } => id,
        }
    }

    /// `None` for what nobody waits for: the end of an exec, an unknown topic, a malformed event.
    fn decode(envelope: Envelope) -> Option<Self> {
        let payload = envelope.event?.value;
        let task = |p: &[u8]| TaskEvent::decode(p).ok().map(|e| e.container_id);
        match envelope.topic.as_str() {
            "/tasks/start" => Some(Self::Started { id: task(&payload)? }),
            "/tasks/oom" => Some(Self::OutOfMemory { id: task(&payload)? }),
            "/tasks/exit" => {
                let exit = TaskExit::decode(payload.as_slice()).ok()?;
                (exit.id == exit.container_id)
                    .then_some(Self::Exited { id: exit.container_id, exit_code: exit.exit_status })
            }
            _ => None,
        }
    }
}

/// Events in the order in which containerd published them. Ends when containerd goes away; subscribe again and relist.
pub type RuntimeEvents = Pin<Box<dyn Stream<Item = Result<RuntimeEvent, CriError>> + Send>>;

/// The start, end and out-of-memory events of all containers of CRI. The subscription is made when the stream is polled
/// first; nothing before it is delivered, so list once the stream is being polled.
pub fn subscribe(channel: Channel) -> RuntimeEvents {
    let envelopes = stream::once(open(channel)).try_flatten();
    Box::pin(envelopes.try_filter_map(|envelope| async { Ok(RuntimeEvent::decode(envelope)) }))
}

/// containerd answers with headers only when the first event comes, hence this is part of the stream.
async fn open(channel: Channel) -> Result<impl Stream<Item = Result<Envelope, CriError>>, CriError> {
    let failed = |status: Status| CriError::from_status("subscribe", &status);
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|e| CriError::Unavailable(e.to_string()))?;
    let filters =
        ["start", "exit", "oom"].map(|t| format!("namespace=={CRI_NAMESPACE},topic==\"/tasks/{t}\"")).to_vec();
    let path = PathAndQuery::from_static("/containerd.services.events.v1.Events/Subscribe");
    let codec = tonic_prost::ProstCodec::<SubscribeRequest, Envelope>::default();
    let response = grpc.server_streaming(Request::new(SubscribeRequest { filters }), path, codec).await;
    Ok(response.map_err(failed)?.into_inner().map_err(failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(topic: &str, event: &impl Message) -> Envelope {
        let value = event.encode_to_vec();
        let event = Some(prost_types::Any { type_url: String::new(), value });
        Envelope { namespace: CRI_NAMESPACE.into(), topic: topic.into(), event }
    }

    #[test]
    fn the_end_of_an_exec_is_not_the_end_of_its_container() {
        let exec = TaskExit { container_id: "c".into(), id: "exec-1".into(), exit_status: 0 };
        assert_eq!(RuntimeEvent::decode(envelope("/tasks/exit", &exec)), None);
        let main = TaskExit { container_id: "c".into(), id: "c".into(), exit_status: 137 };
        let expected = RuntimeEvent::Exited { id: "c".into(), exit_code: 137 };
        assert_eq!(RuntimeEvent::decode(envelope("/tasks/exit", &main)), Some(expected));
    }
}
