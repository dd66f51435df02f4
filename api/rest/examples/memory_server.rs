//! An API server on the memory store, for trying things and for replaying recorded cases:
//! `cargo run -p gantry-rest --example memory_server -- 127.0.0.1:6443 FOLDER`. FOLDER gets the authority and a `kubeconfig`.

#[path = "../tests/it/support/server.rs"]
mod server;

use std::{path::PathBuf, sync::Arc};

use gantry_auth::pki::write_private;
use gantry_storage::{Shard, memory::MemoryStorage};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let listen = listen.parse().map_err(std::io::Error::other)?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into()));
    let storage = Arc::new(MemoryStorage::new());
    let served = server::TestServer::start(&folder, storage, listen, server::Setting::default()).await;
    // It holds the administrator's key.
    write_private(&folder.join("kubeconfig"), served.kubeconfig().as_bytes()).map_err(std::io::Error::other)?;
    let resources = served.executor.catalog().resources().count();
    let (address, revision) = (served.address, served.cache.applied(Shard::Durable));
    println!("serving {resources} resources from revision {revision} on https://{address}");
    println!("kubeconfig in {}", folder.display());
    tokio::signal::ctrl_c().await?;
    served.shutdown.cancel();
    served.handle.ended().await
}
