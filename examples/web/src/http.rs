//! As much of HTTP/1.1 as the examples need: one request a connection, bodies with a Content-Length.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_HEAD_BYTES: u64 = 16 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

pub struct Request {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self { method: "GET".into(), path: path.into(), body: Vec::new() }
    }
}

pub struct Response {
    code: u16,
    pub body: Vec<u8>,
}

impl Response {
    pub fn bytes(body: Vec<u8>) -> Self {
        Self { code: 200, body }
    }

    pub fn text(body: impl Into<String>) -> Self {
        Self::bytes(body.into().into_bytes())
    }

    pub fn not_found() -> Self {
        Self { code: 404, body: b"not found\n".to_vec() }
    }

    pub fn bad_request(why: &str) -> Self {
        Self { code: 400, body: format!("{why}\n").into_bytes() }
    }

    pub fn bad_gateway(peer: &str, error: &io::Error) -> Self {
        Self { code: 502, body: format!("{peer}: {error}\n").into_bytes() }
    }
}

/// Reads one request from the stream, answers it and closes.
pub fn serve_one(stream: &TcpStream, answer: fn(&Request) -> Response) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // A connection that says nothing is a TCP probe.
    let Some((line, body)) = read_message(stream)? else { return Ok(()) };
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let response = answer(&Request { method, path, body });
    let mut out = format!(
        "HTTP/1.1 {} -\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        response.code,
        response.body.len()
    )
    .into_bytes();
    out.extend_from_slice(&response.body);
    let mut stream = stream;
    stream.write_all(&out)
}

/// Sends a request to `host:port` and reads the answer.
pub fn send(address: &str, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut out = format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        request.method,
        request.path,
        request.body.len()
    )
    .into_bytes();
    out.extend_from_slice(&request.body);
    stream.write_all(&out)?;
    let (line, body) = read_message(&stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let code = line.split_whitespace().nth(1).and_then(|c| c.parse().ok());
    Ok(Response { code: code.ok_or(io::ErrorKind::InvalidData)?, body })
}

/// The first line and the body; `None` if the peer closed without a word.
fn read_message(stream: &TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut reader = BufReader::new(stream);
    let mut head = (&mut reader).take(MAX_HEAD_BYTES);
    let mut first = String::new();
    if head.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 || line == "\r\n" || line == "\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    if length > MAX_BODY_BYTES {
        return Err(io::Error::other(format!("a body of {length} bytes is over {MAX_BODY_BYTES}")));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((first, body)))
}
