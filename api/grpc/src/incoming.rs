//! Connections: TLS is agreed upon and the client's certificate judged once, then tonic gets the stream.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use gantry_auth::{Authenticator, authenticate::Peer};
use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tracing::debug;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshaken connections that wait for tonic.
const BACKLOG: usize = 64;

/// Who is at the other end, as the connection's certificate says; an extension of every request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPeer {
    pub peer: Arc<Peer>,
    pub address: Option<IpAddr>,
}

/// A TLS connection with its peer.
pub(crate) struct PeerStream {
    stream: TlsStream<TcpStream>,
    peer: ConnectionPeer,
}

/// Accepts connections until `stop`. One that fails its handshake is dropped; the others go on.
pub(crate) fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authenticator: Arc<Authenticator>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<PeerStream>> {
    let (ready, streams) = mpsc::channel(BACKLOG);
    let accepting = async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(hand_over(stream, acceptor.clone(), authenticator.clone(), ready.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must close first.
                    debug!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::spawn(async move {
        let _: Option<()> = stop.run_until_cancelled(accepting).await;
    });
    ReceiverStream::new(streams)
}

async fn hand_over(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    authenticator: Arc<Authenticator>,
    ready: mpsc::Sender<io::Result<PeerStream>>,
) {
    // Without it small frames wait for each other; a connection that refuses the option still works.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let peer = authenticator.peer(stream.get_ref().1.peer_certificates(), Timestamp::now());
            let address = stream.get_ref().0.peer_addr().ok().map(|peer| peer.ip());
            let peer = ConnectionPeer { peer: Arc::new(peer), address };
            let _ = ready.send(Ok(PeerStream { stream, peer })).await;
        }
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

impl Connected for PeerStream {
    type ConnectInfo = ConnectionPeer;

    fn connect_info(&self) -> ConnectionPeer {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
