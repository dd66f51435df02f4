//! exec and attach over WebSocket (`channel.k8s.io` and its versions 4 and 5), translated to the SPDY streams that the
//! runtime's streaming server speaks. A message's first byte is its channel: 0 stdin, 1 stdout, 2 stderr, 3 error,
//! 4 terminal size; in v5, 255 closes the channel that the second byte names.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use gantry_meta::{Reason, Status};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{
    logs,
    spdy::{Frame, FrameReader, FrameWriter},
    stream_query::StreamQuery,
};

/// In the order of preference.
pub const PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", PLAIN_PROTOCOL];
/// The first of them, still spoken by simple clients: its error channel carries words, and nothing if all went well.
const PLAIN_PROTOCOL: &str = "channel.k8s.io";
/// What the streaming server is asked for: errors as a Status in JSON.
pub const UPSTREAM_PROTOCOL: &str = "v4.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// How long a client that was told good-bye has to answer it.
const GOOD_BYE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Upstream = TokioIo<Upgraded>;

/// Translates until the command has ended and all its output was passed on, or the client goes away. `missed`: the log of a
/// container that may have ended before it was attached to; shown if nothing else comes.
pub async fn translate(
    client: Upgraded,
    upstream: Upstream,
    protocol: &str,
    query: &StreamQuery,
    missed: Option<PathBuf>,
) -> io::Result<()> {
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, None).await;
    let (mut to_client, mut from_client) = socket.split();
    let (read, write) = tokio::io::split(upstream);
    let mut writer = FrameWriter::new(write);
    let channels = open_streams(&mut writer, query).await?;
    let streams: HashMap<u32, u8> = channels.iter().map(|(channel, stream)| (*stream, *channel)).collect();
    let (pings, ping_receiver) = mpsc::unbounded_channel();
    let error_message = if protocol == PLAIN_PROTOCOL { words } else { whole };
    let output = pass_output(FrameReader::new(read), &mut to_client, streams, error_message, pings, missed);
    let input = pass_input(&mut from_client, writer, channels, ping_receiver);
    end_together(output, input).await;
    close(to_client, from_client).await
}

/// Runs both directions until the client is gone; once all output was passed on, that is a matter of its answer to our
/// good-bye.
pub(super) async fn end_together(output: impl Future<Output = io::Result<()>>, input: impl Future<Output = ()>) {
    tokio::pin!(input);
    tokio::select! {
        done = output => {
            if let Err(error) = done {
                tracing::debug!(%error, "output could not be passed on");
            }
            // A client that does not answer in time is left.
            let _ = tokio::time::timeout(GOOD_BYE_TIMEOUT, input).await;
        }
        () = &mut input => {}
    }
}

/// Ends the connection in order. Merely dropping it would reset it where anything of the client is still unread, and
/// without TLS' own good-bye the far end takes what it was sent for cut off: either loses output.
pub(super) async fn close(to_client: SplitSink<Socket, Message>, from_client: SplitStream<Socket>) -> io::Result<()> {
    let mut socket = to_client.reunite(from_client).map_err(io::Error::other)?;
    socket.get_mut().shutdown().await
}

/// Opens the streams that the request asks for; the server waits for exactly these.
async fn open_streams(
    writer: &mut FrameWriter<WriteHalf<Upstream>>,
    query: &StreamQuery,
) -> io::Result<HashMap<u8, u32>> {
    let wanted = [
        (true, ERROR, "error"),
        (query.stdin, STDIN, "stdin"),
        (query.stdout, STDOUT, "stdout"),
        (query.stderr, STDERR, "stderr"),
        (query.tty, RESIZE, "resize"),
    ];
    let mut channels = HashMap::new();
    for (_, channel, name) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
        channels.insert(channel, writer.open(&[("streamtype", name)]).await?);
    }
    Ok(channels)
}

async fn pass_output(
    mut upstream: FrameReader<ReadHalf<Upstream>>,
    client: &mut SplitSink<Socket, Message>,
    streams: HashMap<u32, u8>,
    error_message: fn(&Bytes) -> Option<Bytes>,
    pings: mpsc::UnboundedSender<u32>,
    mut missed: Option<PathBuf>,
) -> io::Result<()> {
    let mut open: Vec<u32> =
        streams.iter().filter(|(_, channel)| [STDOUT, STDERR, ERROR].contains(channel)).map(|(s, _)| *s).collect();
    let mut has_status = false;
    while !open.is_empty() {
        match upstream.next().await {
            Ok(Some(Frame::Data { stream, content, is_last })) => {
                if let Some(channel) = streams.get(&stream).filter(|_| !content.is_empty()) {
                    has_status |= *channel == ERROR;
                    // The first thing that comes decides: behind output of its own the log would come twice.
                    if let (Some(log), ERROR) = (missed.take(), *channel) {
                        pass_log(&log, client).await?;
                    }
                    let content = if *channel == ERROR { error_message(&content) } else { Some(content) };
                    if let Some(content) = content {
                        client.send(message(*channel, &content)).await.map_err(io::Error::other)?;
                    }
                }
                if is_last {
                    open.retain(|known| *known != stream);
                }
            }
            Ok(Some(Frame::Reset { stream })) => open.retain(|known| *known != stream),
            Ok(Some(Frame::Ping { id })) => drop(pings.send(id)),
            Ok(Some(Frame::Other)) => {}
            Ok(Some(Frame::GoAway) | None) | Err(_) => break,
        }
    }
    if let Some(lost) = error_message(&lost()).filter(|_| !has_status) {
        client.send(message(ERROR, &lost)).await.map_err(io::Error::other)?;
    }
    // Clients take any other code, and none, for a broken connection.
    client.send(good_bye()).await.map_err(io::Error::other)
}

async fn pass_log(log: &Path, client: &mut SplitSink<Socket, Message>) -> io::Result<()> {
    // The pod may be gone already, and its log with it.
    for piece in logs::output(log).await.unwrap_or_default() {
        let channel = if piece.is_error { STDERR } else { STDOUT };
        client.send(message(channel, &piece.text.into())).await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// What a client is told where the runtime went away before it said how the command ended: silence would be success.
fn lost() -> Bytes {
    let message = "the container runtime went away before the command ended";
    let status = Status::failure(Reason::InternalError, message);
    serde_json::to_vec(&status).map(Bytes::from).unwrap_or_default()
}

/// How a command ended, as the runtime says it: a Status in JSON.
fn whole(status: &Bytes) -> Option<Bytes> {
    Some(status.clone())
}

/// The same in words; `None`: it ended well.
fn words(status: &Bytes) -> Option<Bytes> {
    match serde_json::from_slice::<Status>(status) {
        Ok(status) if status.code < 400 && status.message.is_empty() => None,
        Ok(status) => Some(Bytes::from(status.message)),
        Err(_) => Some(status.clone()),
    }
}

/// A close frame of RFC 6455 that says all went well.
pub(super) fn good_bye() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))
}

fn message(channel: u8, content: &Bytes) -> Message {
    let mut framed = BytesMut::with_capacity(content.len() + 1);
    framed.put_u8(channel);
    framed.put_slice(content);
    Message::Binary(framed.freeze())
}

/// Returns when the client is gone. A runtime that takes no more input may still have output to pass on.
async fn pass_input(
    client: &mut SplitStream<Socket>,
    mut upstream: FrameWriter<WriteHalf<Upstream>>,
    channels: HashMap<u8, u32>,
    mut pings: mpsc::UnboundedReceiver<u32>,
) {
    loop {
        let passed = tokio::select! {
            Some(id) = pings.recv() => upstream.pong(id).await,
            message = client.next() => match message {
                Some(Ok(Message::Binary(content))) => pass_message(&mut upstream, &channels, &content).await,
                Some(Ok(Message::Text(text))) => pass_message(&mut upstream, &channels, text.as_bytes()).await,
                Some(Ok(Message::Close(_))) | None | Some(Err(_)) => return,
                Some(Ok(_)) => Ok(()),
            },
        };
        if let Err(error) = passed {
            tracing::debug!(%error, "the runtime takes no more input");
        }
    }
}

async fn pass_message(
    upstream: &mut FrameWriter<WriteHalf<Upstream>>,
    channels: &HashMap<u8, u32>,
    content: &[u8],
) -> io::Result<()> {
    match content {
        [CLOSE, channel, ..] => match channels.get(channel) {
            Some(stream) => upstream.finish(*stream).await,
            None => Ok(()),
        },
        [channel @ (STDIN | RESIZE), rest @ ..] if !rest.is_empty() => match channels.get(channel) {
            Some(stream) => upstream.data(*stream, rest).await,
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
