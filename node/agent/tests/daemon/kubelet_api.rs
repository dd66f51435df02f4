//! The kubelet API over TLS against a real container: access, logs, exec and port-forward.

use crate::support::{
    node::{IMAGE, TestNode, in_private_namespaces},
    tls::{PORT, Pki},
};
use futures::{SinkExt, StreamExt};
use gantry_agent::kubelet::spdy::{Frame, FrameReader, FrameWriter};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode};

async fn get(pki: &Pki, path: &str, with_certificate: bool) -> (StatusCode, String) {
    let stream = TokioIo::new(pki.connect(with_certificate).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "n1").body(Empty::<bytes::Bytes>::new()).expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Runs a command over WebSocket v5: sends `input`, closes stdin, and returns stdout and the final Status.
async fn exec(pki: &Pki, query: &str, input: &[u8]) -> (String, Value) {
    let url = format!("wss://127.0.0.1:{PORT}/exec/default/p/main?{query}");
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "v5.channel.k8s.io".parse().expect("a header"));
    let (mut socket, answer) =
        tokio_tungstenite::client_async(request, pki.connect(true).await).await.expect("a WebSocket");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    if !input.is_empty() {
        socket.send(Message::Binary([&[0], input].concat().into())).await.expect("sent");
        socket.send(Message::Binary(vec![255, 0].into())).await.expect("sent");
    }
    let (mut out, mut status) = (String::new(), Value::Null);
    while let Some(message) = socket.next().await {
        let content = match message.expect("the connection ends in order") {
            Message::Binary(content) => content,
            Message::Close(frame) => {
                assert_eq!(frame.expect("a reason").code, CloseCode::Normal);
                continue;
            }
            _ => continue,
        };
        match content[0] {
            1 => out.push_str(&String::from_utf8_lossy(&content[1..])),
            3 => status = serde_json::from_slice(&content[1..]).expect("a Status"),
            _ => {}
        }
    }
    (out, status)
}

/// Fetches a page of the pod over an SPDY port-forward.
async fn fetch_forwarded(pki: &Pki, port: &str) -> String {
    let stream = TokioIo::new(pki.connect(true).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection.with_upgrades());
    let request = Request::post("/portForward/default/p")
        .header("host", "n1")
        .header("connection", "Upgrade")
        .header("upgrade", "SPDY/3.1")
        .header("x-stream-protocol-version", "portforward.k8s.io")
        .body(Empty::<bytes::Bytes>::new())
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let upgraded = TokioIo::new(hyper::upgrade::on(answer).await.expect("upgraded"));
    let (read, write) = tokio::io::split(upgraded);
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    writer.open(&[("streamtype", "error"), ("port", port), ("requestid", "0")]).await.expect("opened");
    let data = writer.open(&[("streamtype", "data"), ("port", port), ("requestid", "0")]).await.expect("opened");
    writer.data(data, b"GET /index.html HTTP/1.0\r\n\r\n").await.expect("sent");
    let mut page = Vec::new();
    while let Some(frame) = reader.next().await.expect("a frame") {
        match frame {
            Frame::Data { stream, content, is_last } if stream == data => {
                page.extend_from_slice(&content);
                if is_last {
                    break;
                }
            }
            _ => {}
        }
    }
    String::from_utf8_lossy(&page).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_exec_and_port_forward_reach_the_container_of_those_who_may() {
    if !in_private_namespaces("kubelet_api::logs_exec_and_port_forward_reach_the_container_of_those_who_may") {
        return;
    }
    let pki = Pki::new();
    let node = TestNode::start_serving(Some(pki.serving.clone())).await;
    let script = "echo one; echo two; echo page > /tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    let container = json!({"name": "main", "image": IMAGE, "command": ["sh", "-c", script],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}});
    node.api.set("pods", "default", "p", json!({"spec": {"nodeName": "n1", "containers": [container]}}));
    node.api
        .until("pods", "p", "Ready", |pod| {
            let conditions = pod?["status"]["conditions"].as_array()?;
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
        })
        .await;

    assert_eq!(get(&pki, "/pods", false).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&pki, "/metrics/resource", true).await.0, StatusCode::FORBIDDEN);
    let (status, pods) = get(&pki, "/pods", true).await;
    assert!(status.is_success() && pods.contains(r#""name":"p""#), "{pods}");
    let logs = get(&pki, "/containerLogs/default/p/main?tailLines=1", true).await;
    assert_eq!(logs, (StatusCode::OK, "two\n".into()));
    let (status, message) = get(&pki, "/containerLogs/default/p/none", true).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");

    let (out, status) = exec(&pki, "command=cat&input=1&output=1&error=1", b"to and fro").await;
    assert_eq!((out.as_str(), status["status"].as_str()), ("to and fro", Some("Success")), "{status}");
    let (_, status) = exec(&pki, "command=sh&command=-c&command=exit+3&output=1", b"").await;
    assert_eq!(status["details"]["causes"][0], json!({"reason": "ExitCode", "message": "3"}), "{status}");
    assert!(fetch_forwarded(&pki, "8080").await.ends_with("page\n"));
}
