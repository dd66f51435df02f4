//! A TLS connection whose first request may ask for SPDY.
//!
//! actix hands the bytes behind a request on as a stream only where the request upgrades to WebSocket; behind any other
//! upgrade it would look for a next request. SPDY clients open a connection for each upgrade, so it is enough to look at a
//! connection's first head: `Upgrade: SPDY/3.1` becomes `Upgrade: websocket` with [`UPGRADE_HEADER`] beside it, which
//! tells the proxy what was asked for.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::TcpStream;
use gantry_auth::authenticate::Peer;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::coalesce::Coalesced;
use crate::headers::UPGRADE_HEADER;

const SPDY: &[u8] = b"SPDY/3.1";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// A head longer than this is passed on as it is.
const HEAD_MAX_BYTES: usize = 16 << 10;

pub(crate) struct Connection {
    tls: Coalesced<TlsStream<TcpStream>>,
    peer: Arc<Peer>,
    head: Head,
}

enum Head {
    /// Still to be looked at.
    Incomplete(Vec<u8>),
    /// Looked at; the bytes from `at` on are still to be read.
    Buffered {
        bytes: Vec<u8>,
        at: usize,
    },
    Passed,
}

impl Connection {
    /// HTTP/2 has no upgrades to look for, and reads whenever it is woken.
    pub fn new(tls: TlsStream<TcpStream>, peer: Arc<Peer>, http2: bool) -> Self {
        let head = if http2 { Head::Passed } else { Head::Incomplete(Vec::new()) };
        Self { tls: Coalesced::new(tls, http2), peer, head }
    }

    pub fn peer(&self) -> Arc<Peer> {
        self.peer.clone()
    }

    /// Reads until the head is complete (or the client stops sending).
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Head::Incomplete(bytes) = &mut self.head else { return Poll::Ready(Ok(())) };
        loop {
            let mut chunk = [0; 4096];
            let mut buffer = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.tls).poll_read(cx, &mut buffer))?;
            bytes.extend_from_slice(buffer.filled());
            let complete = memmem::find(bytes, HEAD_END).is_some() || bytes.len() > HEAD_MAX_BYTES;
            if complete || buffer.filled().is_empty() {
                let bytes = rewrite(std::mem::take(bytes));
                self.head = Head::Buffered { bytes, at: 0 };
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Replaces the SPDY upgrade of a request's head; any other head comes back as it is.
fn rewrite(bytes: Vec<u8>) -> Vec<u8> {
    let end = memmem::find(&bytes, HEAD_END).unwrap_or(bytes.len());
    if memmem::find(&bytes[..end], SPDY).is_none() {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut rest = 0;
    for line in bytes[..end].split_inclusive(|byte| *byte == b'\n') {
        rest += line.len();
        match line.split(|byte| *byte == b':').next() {
            Some(name) if name.eq_ignore_ascii_case(b"upgrade") && memmem::find(line, SPDY).is_some() => {
                out.extend_from_slice(b"Upgrade: websocket\r\n");
                out.extend_from_slice(UPGRADE_HEADER.as_bytes());
                out.extend_from_slice(b": SPDY/3.1");
                out.extend_from_slice(if line.ends_with(b"\n") { b"\r\n" } else { b"" });
            }
            _ => out.extend_from_slice(line),
        }
    }
    out.extend_from_slice(&bytes[rest..]);
    out
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_head(cx))?;
        match &mut this.head {
            Head::Buffered { bytes, at } if *at < bytes.len() => {
                let take = buf.remaining().min(bytes.len() - *at);
                buf.put_slice(&bytes[*at..*at + take]);
                *at += take;
                if *at == bytes.len() {
                    this.head = Head::Passed;
                }
                Poll::Ready(Ok(()))
            }
            _ => Pin::new(&mut this.tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tls).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tls).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn only_a_spdy_upgrade_is_rewritten() {
        let spdy = b"POST /x HTTP/1.1\r\nHost: h\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\nrest";
        let expected = "POST /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nx-gantry-upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\nrest";
        assert_eq!(String::from_utf8(rewrite(spdy.to_vec())).unwrap(), expected);
        for other in [&b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nSPDY/3.1"[..], b"GET / HTTP/1.1\r\n\r\n", b""] {
            assert_eq!(rewrite(other.to_vec()), other);
        }
    }
}
