//! Connect verbs, with a kubelet that this test plays.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use gantry_registry::ConnectTo;
use gantry_rest::{Dial, DialError, Wire};
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::TestServer;

/// Hands the far end of each connection to the test.
struct FakeNode(mpsc::UnboundedSender<(ConnectTo, DuplexStream)>);

#[async_trait]
impl Dial for FakeNode {
    async fn dial(&self, to: &ConnectTo) -> Result<Box<dyn Wire>, DialError> {
        let (ours, theirs) = duplex(1 << 16);
        self.0.send((to.clone(), theirs)).expect("the test outlives the server");
        Ok(Box::new(ours))
    }
}

/// A server with a pod on a node, and the connections that it opens there.
async fn with_pod() -> (TestServer, mpsc::UnboundedReceiver<(ConnectTo, DuplexStream)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let server = TestServer::memory_with(Arc::new(FakeNode(sender))).await;
    let api = server.admin_api();
    let node = json!({"metadata": {"name": "n1"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.9"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}});
    assert_eq!(api.json(Method::POST, "/api/v1/nodes", &node).await.0, 201);
    let account = json!({"metadata": {"name": "default"}});
    api.json(Method::POST, "/api/v1/namespaces/default/serviceaccounts", &account).await;
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    let (code, created) = api.json(Method::POST, "/api/v1/namespaces/default/pods", &pod).await;
    assert_eq!(code, 201, "{created}");
    (server, receiver)
}

/// Reads until the head of a request is complete.
async fn head(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_log_is_streamed_from_the_kubelet_of_the_pods_node() {
    let (server, mut dialled) = with_pod().await;
    let kubelet = async {
        let (to, mut stream) = dialled.recv().await.unwrap();
        assert_eq!((to.host.as_str(), to.port, to.kubelet), ("192.0.2.9", 10250, true));
        let head = head(&mut stream).await;
        assert!(head.starts_with("GET /containerLogs/default/p/c?tailLines=5 HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "who asks is nobody else's business");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n")
            .await
            .unwrap();
        stream
    };
    let api = server.admin_api();
    let read = api.text("/api/v1/namespaces/default/pods/p/log?tailLines=5");
    let (_stream, (code, text)) = tokio::join!(kubelet, read);
    assert_eq!((code, text.as_str()), (200, "hello\n"));
}

#[tokio::test]
async fn a_log_can_be_read_over_websocket() {
    let (server, mut dialled) = with_pod().await;
    let kubelet = async {
        let (_, mut stream) = dialled.recv().await.unwrap();
        let head = head(&mut stream).await.to_lowercase();
        assert!(head.starts_with("get /containerlogs/default/p/c http/1.1") && !head.contains("upgrade"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n").await.unwrap();
        stream
    };
    let client = async {
        let mut request = "wss://localhost/api/v1/namespaces/default/pods/p/log".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "binary.k8s.io".parse().unwrap());
        let stream = server.http1().connect().await;
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        let mut log = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_binary() {
                log.extend(message.into_data());
            }
        }
        log
    };
    let (_stream, log) = tokio::join!(kubelet, client);
    assert_eq!(log, b"hello\n");
}

#[tokio::test]
async fn pages_behind_a_proxy_keep_their_links() {
    let (server, mut dialled) = with_pod().await;
    let api = server.admin_api();
    let path = "/api/v1/namespaces/default/pods/p:8080/proxy";
    let status = json!({"status": {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]}});
    let merge = "application/merge-patch+json";
    assert_eq!(api.patch("/api/v1/namespaces/default/pods/p/status", merge, &status).await.0, 200);
    assert_eq!(api.get(path).await.0, 301, "relative links need the slash");
    let pod = async {
        let (to, mut stream) = dialled.recv().await.unwrap();
        assert_eq!((to.host.as_str(), to.port, to.kubelet), ("10.0.0.7", 8080, false));
        let head = head(&mut stream).await;
        assert!(head.starts_with("GET /a/ HTTP/1.1\r\n"), "{head}");
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 17\r\n\r\n<a href=\"/b\"></a>";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    };
    let page = format!("{path}/a/");
    let (_stream, (code, text)) = tokio::join!(pod, api.text(&page));
    assert_eq!((code, text), (200, format!("<a href=\"{path}/b\"></a>")));
}

/// Upgrades to `protocol` and echoes what comes after, on both sides of the server.
async fn echo_through(protocol: &str) {
    let (server, mut dialled) = with_pod().await;
    let kubelet = async {
        let (_, mut stream) = dialled.recv().await.unwrap();
        let head = head(&mut stream).await.to_lowercase();
        assert!(head.starts_with("post /exec/default/p/c?output=1&command=ls http/1.1"), "{head}");
        assert!(head.contains(&format!("upgrade: {}\r\n", protocol.to_lowercase())), "{head}");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes.map(|b| b.to_ascii_uppercase())).await.unwrap();
        stream
    };
    let client = async {
        let mut stream = server.http1().connect().await;
        let request = format!(
            "POST /api/v1/namespaces/default/pods/p/exec?stdout=1&command=ls HTTP/1.1\r\nHost: localhost\r\n\
             Connection: Upgrade\r\nUpgrade: {protocol}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert!(answer.contains(&format!("upgrade: {}\r\n", protocol.to_lowercase())), "{answer}");
        assert!(answer.contains("x-stream-protocol-version: v4.channel.k8s.io"), "{answer}");
        stream.write_all(b"bytes").await.unwrap();
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"BYTES");
    };
    tokio::join!(kubelet, client);
}

#[tokio::test]
async fn a_websocket_upgrade_is_passed_on_byte_for_byte() {
    echo_through("websocket").await;
}

#[tokio::test]
async fn a_spdy_upgrade_is_passed_on_byte_for_byte() {
    echo_through("SPDY/3.1").await;
}

#[tokio::test]
async fn what_cannot_be_connected_is_refused_before_any_connection() {
    let (server, mut dialled) = with_pod().await;
    let api = server.admin_api();
    for (path, code) in [
        ("/api/v1/namespaces/default/pods/none/log", 404),
        ("/api/v1/namespaces/default/pods/p/log?container=x", 400),
        ("/api/v1/namespaces/default/pods/p/log?tailLines=-1", 422),
        ("/api/v1/namespaces/default/pods/p/exec?command=ls", 400),
        ("/api/v1/nodes/none/proxy/", 404),
    ] {
        assert_eq!(api.get(path).await.0, code, "{path}");
    }
    assert!(dialled.try_recv().is_err());
}
