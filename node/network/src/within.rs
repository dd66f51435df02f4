//! Connections made from another network namespace than the process' own.

use std::{io, net::SocketAddr, os::fd::AsFd, path::Path};

use nix::sched::{CloneFlags, setns};
use tokio::net::{TcpSocket, TcpStream};

/// Connects as if from `namespace` (a file such as `/run/netns/NAME`): with its addresses, routes and packet filter.
///
/// # Errors
/// The namespace is gone, or the far end does not answer.
pub async fn connect_within(namespace: &Path, to: SocketAddr) -> io::Result<TcpStream> {
    let (path, (answer, made)) = (namespace.to_owned(), tokio::sync::oneshot::channel());
    // A thread of its own: a socket stays in the namespace that it was made in, and so would a thread of a pool.
    std::thread::Builder::new().name("netns".into()).spawn(move || {
        // Nobody waits any more if it cannot be sent.
        let _ = answer.send(socket_within(&path, to));
    })?;
    made.await.map_err(io::Error::other)??.connect(to).await
}

fn socket_within(namespace: &Path, to: SocketAddr) -> io::Result<TcpSocket> {
    setns(std::fs::File::open(namespace)?.as_fd(), CloneFlags::CLONE_NEWNET)?;
    if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}
