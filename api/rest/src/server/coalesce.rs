//! Few large writes in place of many small ones.
//!
//! h2 flushes behind every frame of data, and each flush would be a TLS record and a system call of its own. Here a flush is
//! put off until the connection is polled next: answers that are ready in the same turn of the event loop go out together.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes held back at most.
const HELD_MAX: usize = 32 << 10;
/// A write of this size is worth a system call of its own, and not worth a copy.
const LARGE: usize = 8 << 10;

/// Holds small writes back. Its user must read whenever it is woken, as an HTTP/2 connection does: a flush that was put off
/// happens there.
pub(super) struct Coalesced<S> {
    inner: S,
    /// False: everything goes through at once.
    holds: bool,
    held: BytesMut,
    flush_due: bool,
}

impl<S: AsyncWrite + Unpin> Coalesced<S> {
    /// `holds`: whether the user is such a one.
    pub fn new(inner: S, holds: bool) -> Self {
        Self { inner, holds, held: BytesMut::new(), flush_due: false }
    }

    /// Writes out and flushes what is held.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        // Idle connections hold no memory.
        self.held = BytesMut::new();
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.flush_due = false;
        Poll::Ready(Ok(()))
    }

    /// True if a write of `length` bytes is to be held; false if it goes through, with nothing before it.
    fn admit(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<bool>> {
        let held = self.held.len();
        if !self.holds {
            return Poll::Ready(Ok(false));
        }
        if length < LARGE && held + length <= HELD_MAX {
            return Poll::Ready(Ok(true));
        }
        if held > 0 {
            ready!(self.drain(cx))?;
        }
        Poll::Ready(Ok(length < LARGE))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.flush_due
            && let Poll::Ready(Err(error)) = self.drain(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if ready!(self.admit(cx, buf.len()))? {
            self.held.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|part| part.len()).sum();
        if ready!(self.admit(cx, length))? {
            bufs.iter().for_each(|part| self.held.extend_from_slice(part));
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Pin::new(&mut self.inner).poll_flush(cx);
        }
        if !self.flush_due {
            self.flush_due = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes everything, and notes each write.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl AsyncWrite for Writes {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(buf.to_vec());
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Writes {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn write(stream: &mut Coalesced<Writes>, bytes: &[u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(Pin::new(&mut *stream).poll_write(&mut cx, bytes), Poll::Ready(Ok(n)) if n == bytes.len()));
        assert!(Pin::new(stream).poll_flush(&mut cx).is_ready());
    }

    fn turn(stream: &mut Coalesced<Writes>) {
        let mut buffer = [0; 8];
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut buffer)).is_pending());
    }

    #[test]
    fn small_writes_of_one_turn_go_out_together() {
        let mut stream = Coalesced::new(Writes::default(), true);
        write(&mut stream, b"a");
        write(&mut stream, b"b");
        assert!(stream.inner.0.is_empty());
        turn(&mut stream);
        assert_eq!(stream.inner.0, [b"ab"]);
        write(&mut stream, b"c");
        turn(&mut stream);
        assert_eq!(stream.inner.0.len(), 2);
    }

    #[test]
    fn a_large_write_goes_through_behind_what_was_held() {
        let mut stream = Coalesced::new(Writes::default(), true);
        write(&mut stream, b"a");
        write(&mut stream, &[0; LARGE]);
        assert_eq!(stream.inner.0.iter().map(Vec::len).collect::<Vec<_>>(), [1, LARGE]);
    }

    #[test]
    fn no_more_is_held_than_the_limit() {
        let mut stream = Coalesced::new(Writes::default(), true);
        for _ in 0..10 {
            write(&mut stream, &[0; LARGE - 1]);
        }
        assert!(stream.held.len() <= HELD_MAX && !stream.inner.0.is_empty());
    }

    #[test]
    fn the_end_leaves_nothing_behind() {
        let mut stream = Coalesced::new(Writes::default(), true);
        write(&mut stream, b"last");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx).is_ready());
        assert_eq!(stream.inner.0, [b"last"]);
    }
}
