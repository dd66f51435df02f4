//! port-forward as kubectl does it today: an SPDY connection inside of a WebSocket's binary messages.

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::remote_command::{close, end_together, good_bye};

/// The WebSocket's subprotocol, and the stream protocol inside of it.
pub const PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
pub const INNER_PROTOCOL: &str = "portforward.k8s.io";

const CHUNK_BYTES: usize = 32 << 10;

/// Copies both ways until either side ends.
pub async fn tunnel(client: Upgraded, upstream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, None).await;
    let (mut to_client, mut from_client) = socket.split();
    let (mut read, mut write) = tokio::io::split(upstream);
    let outward = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            // However the runtime ends: what it sent before counts.
            let length = read.read(&mut chunk).await.unwrap_or_default();
            if length == 0 {
                break;
            }
            let message = Message::Binary(Bytes::copy_from_slice(&chunk[..length]));
            to_client.send(message).await.map_err(io::Error::other)?;
        }
        to_client.send(good_bye()).await.map_err(io::Error::other)
    };
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            let passed = match message {
                Message::Binary(content) => pass(&mut write, &content).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if let Err(error) = passed {
                tracing::debug!(%error, "the runtime takes no more input");
            }
        }
        // The runtime may be gone already, which is all the same now.
        let _ = write.shutdown().await;
    };
    end_together(outward, inward).await;
    close(to_client, from_client).await
}

async fn pass(upstream: &mut (impl AsyncWrite + Unpin), content: &[u8]) -> io::Result<()> {
    upstream.write_all(content).await?;
    upstream.flush().await
}
