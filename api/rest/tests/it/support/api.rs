//! Clients of a [`super::TestServer`].

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use gantry_auth::{
    kubeconfig::{Credentials, kubeconfig},
    pki::{IssuedCertificate, Validity},
};
use gantry_client::{ClientConfig, ClientError, RawRequest, RawResponse, RestClient};
use gantry_rest::Dial;
use gantry_storage::memory::MemoryStorage;
use http::Method;
use jiff::Timestamp;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Setting, TestServer};

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, ClientError>> + Send>>;

/// JSON in, JSON out, over HTTP/2.
#[derive(Clone)]
pub struct Api(RestClient);

impl TestServer {
    /// On the memory store and any free port.
    pub async fn memory() -> Self {
        Self::memory_in(Setting::default()).await
    }

    /// As [`Self::memory`], with nodes that the test plays.
    pub async fn memory_with(dial: Arc<dyn Dial>) -> Self {
        Self::memory_in(Setting { dial: Some(dial), ..Setting::default() }).await
    }

    pub async fn memory_in(setting: Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any_port = ([127, 0, 0, 1], 0).into();
        Self::start(folder.path(), Arc::new(MemoryStorage::new()), any_port, setting).await
    }

    /// As kubectl would connect: by the kubeconfig.
    pub fn admin_api(&self) -> Api {
        self.api_by(&self.kubeconfig())
    }

    /// As a user whom this cluster's authority knows.
    pub fn api_as(&self, user: &str) -> Api {
        let identity = self.authority.issue_client(user, None, Validity::days(Timestamp::now(), 1)).unwrap();
        let credentials = Credentials::ClientCertificate(&identity);
        self.api_by(&kubeconfig("test", &self.url(""), self.authority.certificate_pem(), user, &credentials))
    }

    fn api_by(&self, kubeconfig: &str) -> Api {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        Api(RestClient::new(ClientConfig::from_kubeconfig(&path, None).unwrap()).unwrap())
    }

    pub fn anonymous_api(&self) -> Api {
        let config = ClientConfig::new(&self.url(""), self.authority.certificate_pem());
        Api(RestClient::new(config).unwrap())
    }

    pub fn http1(&self) -> Http1 {
        self.http1_as(Some(&self.admin))
    }

    /// Without a certificate.
    pub fn http1_as_nobody(&self) -> Http1 {
        self.http1_as(None)
    }

    pub fn http1_as(&self, identity: Option<&IssuedCertificate>) -> Http1 {
        let authority = self.authority.certificate_pem();
        let mut config = gantry_auth::pki::client_config(authority, identity).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Http1 { address: self.address, connector: TlsConnector::from(Arc::new(config)) }
    }
}

impl Api {
    pub async fn raw(&self, request: RawRequest) -> RawResponse {
        self.0.raw(request).await.unwrap()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> (u16, Value) {
        let answer = self.raw(RawRequest { method, content_type, body, ..RawRequest::get(path) }).await;
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    pub async fn get_as(&self, path: &str, accept: &'static str) -> (u16, Value) {
        let answer = self.raw(RawRequest { accept, ..RawRequest::get(path) }).await;
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    pub async fn text(&self, path: &str) -> (u16, String) {
        let answer = self.raw(RawRequest { accept: "*/*", ..RawRequest::get(path) }).await;
        (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
    }

    pub async fn json(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.send(method, path, Some("application/json"), body.to_string().into()).await
    }

    pub async fn patch(&self, path: &str, content_type: &'static str, body: &Value) -> (u16, Value) {
        self.send(Method::PATCH, path, Some(content_type), body.to_string().into()).await
    }

    pub async fn stream(&self, path: &str) -> Chunks {
        self.0.stream(RawRequest::get(path)).await.unwrap().boxed()
    }

    pub async fn watch(&self, path: &str) -> Events {
        Events { chunks: self.stream(path).await, buffer: Vec::new() }
    }
}

/// Lines of a watch.
pub struct Events {
    chunks: Chunks,
    buffer: Vec<u8>,
}

impl Events {
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            self.buffer.extend_from_slice(&self.chunks.next().await.unwrap().unwrap());
        }
    }

    /// The type of the next event about an object of that name.
    pub async fn next_named(&mut self, name: &str) -> String {
        loop {
            let event = self.next().await;
            if event["object"]["metadata"]["name"] == name {
                return event["type"].as_str().unwrap().to_owned();
            }
        }
    }
}

/// HTTP/1.1 by hand.
pub struct Http1 {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Http1 {
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        self.connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
    }

    /// Sends a head (without its end) and reads all that comes until the server closes.
    pub async fn exchange(&self, head: &str) -> Vec<u8> {
        let mut stream = self.connect().await;
        let request = format!("{head}Host: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A close without TLS's own goodbye is still an end.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }
}
