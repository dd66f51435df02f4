//! The client's side of SPDY/3.1 as far as exec and attach need it: streams with headers, data both ways, half-close.
//!
//! Header blocks are zlib streams; ours consist of stored blocks, and those of the server carry nothing that matters here,
//! so neither compressor nor dictionary is needed. There is no flow control: the server (moby/spdystream) has none.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FLAG_FIN: u8 = 1;
const HEADER_BYTES: usize = 8;
/// Longer data is sent in several frames.
const MAX_DATA_BYTES: usize = 32 << 10;

/// What the server sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    Data {
        stream: u32,
        content: Bytes,
        is_last: bool,
    },
    /// The server gave a stream up.
    Reset {
        stream: u32,
    },
    /// To be sent back as it is.
    Ping {
        id: u32,
    },
    /// The server takes no more streams.
    GoAway,
    /// Settings, replies, windows: nothing to do.
    Other,
}

/// Reads frames.
pub struct FrameReader<R> {
    stream: R,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(stream: R) -> Self {
        Self { stream }
    }

    /// The next frame; `None` at the end of the connection. Not cancel safe.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0_u8; HEADER_BYTES];
        match self.stream.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        };
        let mut header = Bytes::copy_from_slice(&header);
        let (word, flags_and_length) = (header.get_u32(), header.get_u32());
        let (flags, length) = ((flags_and_length >> 24) as u8, flags_and_length & 0x00ff_ffff);
        let mut content = vec![0; length as usize];
        self.stream.read_exact(&mut content).await?;
        let content = Bytes::from(content);
        if word >> 31 == 0 {
            return Ok(Some(Frame::Data { stream: word, content, is_last: flags & FLAG_FIN != 0 }));
        }
        Ok(Some(control(word as u16, content)))
    }
}

fn control(kind: u16, mut content: Bytes) -> Frame {
    match kind {
        RST_STREAM if content.len() >= 4 => Frame::Reset { stream: content.get_u32() & 0x7fff_ffff },
        PING if content.len() >= 4 => Frame::Ping { id: content.get_u32() },
        GOAWAY => Frame::GoAway,
        _ => Frame::Other,
    }
}

/// Writes frames.
pub struct FrameWriter<W> {
    stream: W,
    next_stream: u32,
    has_sent_headers: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(stream: W) -> Self {
        Self { stream, next_stream: 1, has_sent_headers: false }
    }

    /// Opens a stream with these headers. Returns its id.
    pub async fn open(&mut self, headers: &[(&str, &str)]) -> io::Result<u32> {
        let id = self.next_stream;
        self.next_stream += 2;
        let mut body = BytesMut::new();
        body.put_u32(id);
        body.put_u32(0); // No associated stream.
        body.put_u16(0); // Highest priority, no slot.
        body.put(self.header_block(headers));
        self.control(SYN_STREAM, &body).await?;
        Ok(id)
    }

    /// All header blocks of a connection are one zlib stream: its two bytes of header come only once.
    fn header_block(&mut self, headers: &[(&str, &str)]) -> Bytes {
        let mut plain = BytesMut::new();
        plain.put_u32(headers.len() as u32);
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.put_u32(text.len() as u32);
            plain.put_slice(text.as_bytes());
        }
        let mut block = BytesMut::new();
        if !std::mem::replace(&mut self.has_sent_headers, true) {
            block.put_slice(&[0x78, 0x01]);
        }
        let length = plain.len() as u16; // A few short names: far below 64 KiB.
        block.put_u8(0); // A stored block that is not the last one.
        block.put_u16_le(length);
        block.put_u16_le(!length);
        block.put(plain);
        // An empty block is what makes the reader hand out what came before.
        block.put_slice(&[0, 0, 0, 0xff, 0xff]);
        block.freeze()
    }

    pub async fn data(&mut self, stream: u32, content: &[u8]) -> io::Result<()> {
        for chunk in content.chunks(MAX_DATA_BYTES) {
            self.frame(stream, 0, chunk).await?;
        }
        self.stream.flush().await
    }

    /// Nothing more will be sent on this stream.
    pub async fn finish(&mut self, stream: u32) -> io::Result<()> {
        self.frame(stream, FLAG_FIN, &[]).await?;
        self.stream.flush().await
    }

    pub async fn pong(&mut self, id: u32) -> io::Result<()> {
        self.control(PING, &id.to_be_bytes()).await
    }

    /// Closes our side of the connection.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    async fn control(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        let word = 1 << 31 | u32::from(VERSION) << 16 | u32::from(kind);
        self.frame(word, 0, body).await?;
        self.stream.flush().await
    }

    async fn frame(&mut self, word: u32, flags: u8, body: &[u8]) -> io::Result<()> {
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + body.len());
        frame.put_u32(word);
        frame.put_u32(u32::from(flags) << 24 | body.len() as u32);
        frame.put_slice(body);
        self.stream.write_all(&frame).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn header_blocks_of_two_streams_are_one_valid_zlib_stream() {
        let mut wire = Vec::new();
        let mut writer = FrameWriter::new(&mut wire);
        assert_eq!(writer.open(&[("streamtype", "error")]).await.expect("written"), 1);
        assert_eq!(writer.open(&[("streamtype", "stdin")]).await.expect("written"), 3);
        let first = 18 + 2 + 5 + 27 + 5;
        assert_eq!(wire[..4], [0x80, 3, 0, 1]);
        let blocks = [&wire[18..first], &wire[first + 18..]].concat();
        let mut plain = Vec::new();
        // The stream has no end marker, as on a live connection.
        let _ = flate2::read::ZlibDecoder::new(blocks.as_slice()).read_to_end(&mut plain);
        let text = String::from_utf8_lossy(&plain);
        assert!(text.contains("streamtype\0\0\0\u{5}error") && text.ends_with("stdin"), "{text:?}");
    }

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let mut wire = Vec::new();
        let mut writer = FrameWriter::new(&mut wire);
        writer.data(5, b"abc").await.expect("written");
        writer.finish(5).await.expect("written");
        writer.pong(2).await.expect("written");
        let mut reader = FrameReader::new(wire.as_slice());
        let data =
            |content: &'static [u8], is_last| Frame::Data { stream: 5, content: Bytes::from_static(content), is_last };
        assert_eq!(reader.next().await.expect("read"), Some(data(b"abc", false)));
        assert_eq!(reader.next().await.expect("read"), Some(data(b"", true)));
        assert_eq!(reader.next().await.expect("read"), Some(Frame::Ping { id: 2 }));
        assert_eq!(reader.next().await.expect("read"), None);
    }
}
