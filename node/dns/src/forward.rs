//! Questions that are not the cluster's go to the resolvers that the node itself uses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tracing::debug;

/// How long one resolver has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const DNS_PORT: u16 = 53;

/// How a question came, and goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The node's resolvers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upstreams {
    /// Those that this file names, read for each question: it changes under a running node.
    ResolvConf(PathBuf),
    Fixed(Vec<SocketAddr>),
}

impl Upstreams {
    /// Never `ourselves`: that would go in a circle.
    async fn addresses(&self, ourselves: SocketAddr) -> Vec<SocketAddr> {
        let all = match self {
            Self::Fixed(all) => all.clone(),
            Self::ResolvConf(path) => parse(&tokio::fs::read_to_string(path).await.unwrap_or_default()),
        };
        all.into_iter().filter(|address| *address != ourselves).collect()
    }

    /// The first answer that a resolver gives to the question `message`, with its id; `None` if none does.
    pub(crate) async fn ask(&self, message: &[u8], transport: Transport, ourselves: SocketAddr) -> Option<Vec<u8>> {
        let id = message.get(..2)?;
        let mut question = message.to_vec();
        // An id of our own, so that who asks us cannot guess what we ask.
        question[..2].copy_from_slice(&rand::random::<[u8; 2]>());
        for upstream in self.addresses(ourselves).await {
            let asked = async {
                match transport {
                    Transport::Udp => ask_udp(upstream, &question).await,
                    Transport::Tcp => ask_tcp(upstream, &question).await,
                }
            };
            match timeout(ANSWER_WITHIN, asked).await {
                Ok(Ok(mut answer)) => {
                    answer[..2].copy_from_slice(id);
                    return Some(answer);
                }
                Ok(Err(error)) => debug!(%upstream, %error, "a resolver failed"),
                Err(_) => debug!(%upstream, "a resolver did not answer in time"),
            }
        }
        None
    }
}

fn parse(resolv_conf: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    resolv_conf.lines().filter_map(server).map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}

/// A socket of its own for each question: the port is as random as the id, and the kernel drops other senders' packets.
async fn ask_udp(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(question).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length > 2 && answer[..2] == question[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn ask_tcp(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    write_framed(&mut stream, question).await?;
    let answer = read_framed(&mut stream).await?;
    if answer.get(..2) == question.get(..2) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// A message over TCP has its length before it (RFC 1035, 4.2.2).
pub(crate) async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

pub(crate) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let framed = [&length.to_be_bytes(), message].concat();
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_and_the_rest_is_passed_over() {
        let text = "# made by\nsearch example.com\nnameserver 192.0.2.1\nnameserver   fd00::53\nnameserver nonsense\n";
        let want = ["192.0.2.1:53", "[fd00::53]:53"].map(|a| a.parse::<SocketAddr>().expect("an address"));
        assert_eq!(parse(text), want);
    }
}
