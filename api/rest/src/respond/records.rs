//! Streams cut to what TLS carries in one record.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;

/// A record's payload, less the head of the HTTP/2 frame in it. A frame that is nine bytes longer takes a second record, which
/// both ends encrypt, authenticate and decrypt for these nine.
const RECORD_BYTES: usize = (16 << 10) - 9;

/// Cuts pieces that are longer than a record, without copying them.
pub(super) struct Records<S> {
    pieces: S,
    rest: Bytes,
}

impl<S> Records<S> {
    pub fn of(pieces: S) -> Self {
        Self { pieces, rest: Bytes::new() }
    }
}

impl<S, E> Stream for Records<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.pieces).poll_next(cx)) {
                Some(Ok(piece)) => this.rest = piece,
                end => return Poll::Ready(end),
            }
        }
        let length = this.rest.len().min(RECORD_BYTES);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt as _, stream};

    use super::*;

    #[tokio::test]
    async fn long_pieces_are_cut_and_nothing_is_lost() {
        let pieces = [vec![1; 3], vec![2; RECORD_BYTES], vec![3; 2 * RECORD_BYTES + 1]];
        let whole = pieces.concat();
        let pieces = stream::iter(pieces.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
        let records: Vec<Bytes> = Records::of(pieces).map(|record| record.unwrap()).collect().await;
        let lengths: Vec<usize> = records.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [3, RECORD_BYTES, RECORD_BYTES, RECORD_BYTES, 1]);
        assert_eq!(records.concat(), whole);
    }
}
