//! etcd from the PATH, as a peer: started in a folder of its own, spoken to by its gRPC API.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::{Message, Oneof};
use tempfile::TempDir;
use tonic::{client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

/// A running etcd; ends with this.
pub struct Etcd {
    child: Child,
    endpoint: String,
    pub version: String,
    _folder: TempDir,
}

impl Etcd {
    /// `None` where etcd is not installed.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let Ok(output) = Command::new("etcd").arg("--version").output() else { return Ok(None) };
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let folder = TempDir::new()?;
        let (client, peer) = (free_port()?, free_port()?);
        let (endpoint, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path().join("data")).args(["--name", "bench", "--log-level", "error"]);
        command.args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("bench={peer}"), "--quota-backend-bytes", "8589934592"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot run etcd")?;
        let etcd = Self { child, endpoint, version, _folder: folder };
        etcd.wait_until_ready().await?;
        Ok(Some(etcd))
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if let Ok(mut client) = self.client().await
                && client.put_if("/ready", 0, Bytes::from_static(b"1")).await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("etcd did not become ready in 10 s")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn client(&self) -> anyhow::Result<EtcdClient> {
        let channel = Channel::from_shared(self.endpoint.clone())?.connect().await?;
        Ok(EtcdClient { grpc: Grpc::new(channel) })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It is ours and its data is thrown away.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Shares its connection with its clones, as etcd's own clients do.
#[derive(Clone)]
pub struct EtcdClient {
    grpc: Grpc<Channel>,
}

impl EtcdClient {
    /// Writes if the key's newest change has `revision` (0: no such key). Returns the new revision.
    pub async fn put_if(&mut self, key: &str, revision: i64, value: Bytes) -> anyhow::Result<i64> {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let compare = Compare { result: 0, target: 2, key: key.clone(), mod_revision: Some(revision) };
        let put = RequestOp { request: Some(request_op::Request::Put(PutRequest { key, value })) };
        let request = TxnRequest { compare: vec![compare], success: vec![put] };
        self.grpc.ready().await?;
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Txn");
        let codec: ProstCodec<TxnRequest, TxnResponse> = ProstCodec::default();
        let response = self.grpc.unary(tonic::Request::new(request), path, codec).await?.into_inner();
        if !response.succeeded {
            bail!("etcd refused a write that expects revision {revision}");
        }
        Ok(response.header.context("a response without a header")?.revision)
    }
}

// The few messages of etcd's api/etcdserverpb/rpc.proto that a conditional put needs.

#[derive(Clone, PartialEq, Message)]
struct ResponseHeader {
    #[prost(int64, tag = "3")]
    revision: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct RequestOp {
    #[prost(oneof = "request_op::Request", tags = "2")]
    request: Option<request_op::Request>,
}

mod request_op {
    use super::{Oneof, PutRequest};

    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum Request {
        #[prost(message, tag = "2")]
        Put(PutRequest),
    }
}

#[derive(Clone, PartialEq, Message)]
struct Compare {
    /// 0: equal.
    #[prost(int32, tag = "1")]
    result: i32,
    /// 2: mod_revision.
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(bytes = "bytes", tag = "3")]
    key: Bytes,
    #[prost(int64, optional, tag = "6")]
    mod_revision: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    success: Vec<RequestOp>,
}

#[derive(Clone, PartialEq, Message)]
struct TxnResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(bool, tag = "2")]
    succeeded: bool,
}
