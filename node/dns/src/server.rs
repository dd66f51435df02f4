//! The sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gantry_netfilter::Cidr;
use gantry_runtime::ObjectSource;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::forward::{Transport, Upstreams, read_framed, write_framed};
use crate::lookup::ClusterRecords;
use crate::respond::Responder;
use crate::zone::Zone;

/// Questions in work at a time; more wait in the socket, and are dropped by the kernel when that is full.
const QUESTIONS_MAX: usize = 1024;
/// A TCP connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct DnsConfig {
    /// The cluster DNS address, port 53; it must be an address of this machine by then.
    pub listen: SocketAddr,
    /// `cluster.local`
    pub domain: String,
    /// Blocks of pods and services: reverse names in them are not asked for elsewhere.
    pub own_blocks: Vec<Cidr>,
    pub upstreams: Upstreams,
}

#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    #[error("DNS cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{domain:?} is no domain name")]
    Domain { domain: String, source: hickory_proto::ProtoError },
}

/// Sockets that are bound, and not yet served.
pub struct Dns {
    config: DnsConfig,
    zone: Zone,
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Dns {
    /// # Errors
    /// The address cannot be listened on, or the domain is no name.
    pub async fn bind(config: DnsConfig) -> Result<Self, DnsError> {
        let listen = |source| DnsError::Listen { address: config.listen, source };
        let domain = |source| DnsError::Domain { domain: config.domain.clone(), source };
        let zone = Zone::new(&config.domain).map_err(domain)?;
        let tcp = TcpListener::bind(config.listen).await.map_err(listen)?;
        let udp = UdpSocket::bind(tcp.local_addr().map_err(listen)?).await.map_err(listen)?;
        Ok(Self { config, zone, udp, tcp })
    }

    /// # Errors
    /// The kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers on UDP and TCP until `stop`. What fails then is answered with SERVFAIL.
    pub async fn serve(self, source: Arc<dyn ObjectSource>, stop: CancellationToken) {
        info!(address = %self.config.listen, domain = self.config.domain, "cluster DNS answers");
        let responder = Arc::new(Responder {
            records: ClusterRecords::follow(self.zone, &source, &stop),
            upstreams: self.config.upstreams,
            own_blocks: self.config.own_blocks,
            ourselves: self.config.listen,
        });
        let questions = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let udp = serve_udp(self.udp, responder.clone(), questions);
        let both = async { tokio::join!(udp, serve_tcp(self.tcp, responder)) };
        stop.run_until_cancelled(both).await;
    }
}

/// [`Dns::bind`] and [`Dns::serve`] in one.
///
/// # Errors
/// Those of [`Dns::bind`].
pub async fn run(config: DnsConfig, source: Arc<dyn ObjectSource>, stop: CancellationToken) -> Result<(), DnsError> {
    Dns::bind(config).await?.serve(source, stop).await;
    Ok(())
}

async fn serve_udp(socket: UdpSocket, responder: Arc<Responder>, questions: Arc<Semaphore>) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok(permit) = questions.clone().acquire_owned().await else { return };
        // An error is of one packet sent earlier (ICMP), not of the socket.
        let Ok((length, client)) =
            socket.recv_from(&mut buffer).await.inspect_err(|error| debug!(%error, "no question"))
        else {
            continue;
        };
        let (socket, responder, question) = (socket.clone(), responder.clone(), buffer[..length].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = responder.respond(&question, Transport::Udp).await
                && let Err(error) = socket.send_to(&answer, client).await
            {
                debug!(%client, %error, "an answer cannot be sent");
            }
            drop(permit);
        });
    }
}

async fn serve_tcp(listener: TcpListener, responder: Arc<Responder>) {
    let connections = Arc::new(Semaphore::new(QUESTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, client)) => {
                let responder = responder.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve_connection(stream, &responder).await {
                        debug!(%client, %error, "a connection ended");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "no connection accepted");
                // Out of descriptors: it does not get better at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(mut stream: TcpStream, responder: &Responder) -> io::Result<()> {
    loop {
        let question = timeout(IDLE, read_framed(&mut stream)).await??;
        let Some(answer) = responder.respond(&question, Transport::Tcp).await else { return Ok(()) };
        timeout(IDLE, write_framed(&mut stream, &answer)).await??;
    }
}
