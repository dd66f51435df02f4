//! Answers over WebSocket, above all watches: each event is a message, of text for JSON and of bytes for protobuf.

use actix_web::{
    HttpRequest, HttpResponse,
    body::BodyStream,
    http::{StatusCode, header::HeaderMap},
    rt, web,
};
use bytes::BytesMut;
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use gantry_kinds::Resource;
use gantry_meta::Status;
use gantry_registry::{WatchEvent, WatchResponse};
use tokio::io::{AsyncWriteExt as _, DuplexStream, WriteHalf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

use super::{EventWriter, Wish};
use crate::{headers::header, metrics::Counted, proxy, socket_token};

/// What may be on its way to a client that reads slowly; what does not fit waits in the log.
const BUFFER_BYTES: usize = 64 << 10;
/// In front of a protobuf event: its length, which a message has already.
const FRAME_LENGTH: usize = size_of::<u32>();

/// A client's wish to go on as WebSocket.
pub(crate) struct Handshake {
    accept_key: String,
    /// The first protocol offered, if any.
    protocol: Option<String>,
}

impl Handshake {
    /// `None`: the request is a plain one. 400 for one that lacks what a handshake needs.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>, Status> {
        if !proxy::wanted_upgrade(request).is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
            return Ok(None);
        }
        let headers = request.headers();
        if header(headers, "sec-websocket-version") != Some("13") {
            return Err(Status::bad_request("websocket: Sec-WebSocket-Version must be 13"));
        }
        let key = header(headers, "sec-websocket-key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Status::bad_request("websocket: a Sec-WebSocket-Key is needed"))?;
        Ok(Some(Self { accept_key: derive_accept_key(key.as_bytes()), protocol: first_protocol(headers) }))
    }

    /// The protocol that is agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

fn first_protocol(headers: &HeaderMap) -> Option<String> {
    socket_token::protocols(header(headers, socket_token::PROTOCOLS)?).next().map(str::to_owned)
}

/// What a socket's client sends.
pub(crate) struct Socket {
    pub handshake: Handshake,
    pub payload: web::Payload,
}

/// Answers 101; events follow until the watch or the client ends, and then a close.
pub(crate) fn watch_socket(
    answer: WatchResponse,
    resource: &Resource,
    wish: Wish<'_>,
    socket: Socket,
    counted: Counted,
    shutdown: CancellationToken,
) -> Result<HttpResponse, Status> {
    let mut writer = EventWriter::new(resource, wish)?;
    let events = writer.events(answer, shutdown);
    let messages = events.flat_map(move |events| {
        let messages: Vec<Message> = events.into_events().into_iter().map(|e| message(&mut writer, &e)).collect();
        stream::iter(messages)
    });
    let messages = messages.boxed();
    Ok(open_socket(socket, messages, counted))
}

/// Answers 101; the messages follow until their end or the client's, and then a close.
pub(crate) fn open_socket(
    Socket { handshake, payload }: Socket,
    messages: BoxStream<'static, Message>,
    counted: Counted,
) -> HttpResponse {
    let (near, far) = tokio::io::duplex(BUFFER_BYTES);
    let (to_client, from_client) = tokio::io::split(far);
    rt::spawn(feed(payload, from_client));
    rt::spawn(async move {
        let socket = WebSocketStream::from_raw_socket(near, Role::Server, None).await;
        // A client that is gone is no failure of ours.
        let _ = converse(socket, messages).await;
        drop(counted);
    });
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket").insert_header(("sec-websocket-accept", handshake.accept_key));
    if let Some(protocol) = handshake.protocol {
        response.insert_header((socket_token::PROTOCOLS, protocol));
    }
    // Not as a stream of actix's, which would say what type it is of.
    response.body(BodyStream::new(ReaderStream::new(to_client)))
}

/// Copies what the client sends; its end is the socket's.
async fn feed(mut payload: web::Payload, mut socket: WriteHalf<DuplexStream>) {
    while let Some(Ok(chunk)) = payload.next().await {
        if socket.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The socket may be gone already, which is all the same now.
    let _ = socket.shutdown().await;
}

/// However it comes to its end, a close is the last that is said.
async fn converse(
    mut socket: WebSocketStream<DuplexStream>,
    messages: BoxStream<'static, Message>,
) -> Result<(), Error> {
    exchange(&mut socket, messages).await?;
    let close = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    match socket.close(Some(close)).await {
        // It was the client that closed first: the answer to that waits to be sent.
        Err(Error::Protocol(_)) => socket.flush().await,
        sent => sent,
    }
}

/// Until there are no more messages, or the client closes or says what cannot be understood. Fails if it is gone.
async fn exchange(
    socket: &mut WebSocketStream<DuplexStream>,
    mut messages: BoxStream<'static, Message>,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => socket.send(message).await?,
                None => return Ok(()),
            },
            // Reading answers pings; what else the client says means nothing here.
            heard = socket.next() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}

fn message(writer: &mut EventWriter, event: &WatchEvent) -> Message {
    let mut out = BytesMut::new();
    writer.write(event, &mut out);
    if writer.is_binary() {
        return Message::Binary(out.freeze().slice(FRAME_LENGTH..));
    }
    let text = String::from_utf8(out.into()).expect("JSON is written as UTF-8");
    Message::Text(text.into())
}
