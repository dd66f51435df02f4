//! Watches over WebSocket.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        protocol::frame::{
            Frame, FrameHeader,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::support::TestServer;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn open(server: &TestServer, path: &str, accept: &str) -> Socket {
    let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
    request.headers_mut().insert("accept", accept.parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "events.example.com".parse().unwrap());
    let (socket, answer) = tokio_tungstenite::client_async(request, server.http1().connect().await).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "events.example.com");
    assert!(!answer.headers().contains_key("content-type"), "what follows is of no type");
    socket
}

async fn create(server: &TestServer, name: &str) {
    let object = json!({"metadata": {"name": name}});
    assert_eq!(server.admin_api().json(Method::POST, CONFIG_MAPS, &object).await.0, 201);
}

async fn next_text(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn each_event_is_one_text_message() {
    let server = TestServer::memory().await;
    create(&server, "a").await;
    let path = format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Da");
    let mut socket = open(&server, &path, "application/json").await;
    let first = next_text(&mut socket).await;
    assert_eq!((&first["type"], &first["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("a")));
    socket.send(Message::Ping("x".into())).await.unwrap();
    let patch = json!({"data": {"k": "v"}});
    let merge = "application/merge-patch+json";
    server.admin_api().patch(&format!("{CONFIG_MAPS}/a"), merge, &patch).await;
    let second = next_text(&mut socket).await;
    assert_eq!((&second["type"], &second["object"]["data"]), (&json!("MODIFIED"), &json!({"k": "v"})));
}

#[tokio::test]
async fn protobuf_events_are_binary_messages_without_a_length() {
    let server = TestServer::memory().await;
    create(&server, "a").await;
    let path = format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Da");
    let mut socket = open(&server, &path, "application/vnd.kubernetes.protobuf").await;
    match socket.next().await.unwrap().unwrap() {
        Message::Binary(event) => assert!(event.starts_with(b"\x0a\x05ADDED\x12"), "{event:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_that_ends_closes_its_socket() {
    let server = TestServer::memory().await;
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion=1&timeoutSeconds=1");
    let mut socket = open(&server, &path, "application/json").await;
    let mut last = None;
    while let Some(Ok(message)) = socket.next().await {
        last = Some(message);
    }
    let Some(Message::Close(Some(close))) = last else { panic!("{last:?}") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Normal, ""));
}

#[tokio::test]
async fn a_client_that_closes_hears_a_close() {
    let server = TestServer::memory().await;
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion=1&fieldSelector=metadata.name%3Dnone");
    let mut socket = open(&server, &path, "application/json").await;
    socket.close(None).await.unwrap();
    let answer = socket.next().await;
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_says_what_cannot_be_understood_hears_a_close() {
    let server = TestServer::memory().await;
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion=1");
    for frame in [
        Frame::from_payload(FrameHeader { is_final: false, ..FrameHeader::default() }, "cut".into()),
        Frame::from_payload(
            FrameHeader { opcode: OpCode::Data(Data::Reserved(3)), ..FrameHeader::default() },
            "".into(),
        ),
    ] {
        let mut socket = open(&server, &path, "application/json").await;
        // A second beginning, or a kind of frame that there is none of.
        socket.send(Message::Frame(frame.clone())).await.unwrap();
        socket.send(Message::Frame(frame)).await.unwrap();
        let answer = socket.next().await;
        assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
    }
}

#[tokio::test]
async fn tables_come_over_sockets_too() {
    let server = TestServer::memory().await;
    create(&server, "a").await;
    let path = format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Da");
    let mut socket = open(&server, &path, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let event = next_text(&mut socket).await;
    assert_eq!((&event["object"]["kind"], &event["object"]["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
}

#[tokio::test]
async fn a_browser_brings_its_token_as_a_protocol() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let account = "/api/v1/namespaces/kube-system/serviceaccounts/generic-garbage-collector";
    let (_, token) = api.json(Method::POST, &format!("{account}/token"), &json!({"spec": {}})).await;
    let token = URL_SAFE_NO_PAD.encode(token["status"]["token"].as_str().unwrap());
    let mut request = format!("wss://localhost{CONFIG_MAPS}?watch=1").into_client_request().unwrap();
    let protocols = format!("base64url.bearer.authorization.k8s.io.{token}, events.example.com");
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (_, answer) = tokio_tungstenite::client_async(request, server.http1_as_nobody().connect().await).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "events.example.com", "the token is not said again");
}

async fn first_bytes(server: &TestServer, head: &str) -> String {
    let mut stream = server.http1().connect().await;
    stream.write_all(format!("{head}Host: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

#[tokio::test]
async fn a_write_that_asks_to_upgrade_is_answered_as_any_other() {
    let server = TestServer::memory().await;
    create(&server, "a").await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let delete = format!("DELETE {CONFIG_MAPS}/a HTTP/1.1\r\n{upgrade}");
    assert_eq!(first_bytes(&server, &delete).await, "HTTP/1.1 200");
    let create = format!("POST {CONFIG_MAPS} HTTP/1.1\r\n{upgrade}Content-Type: application/json\r\n");
    assert_eq!(first_bytes(&server, &create).await, "HTTP/1.1 400", "there is no body");
}

#[tokio::test]
async fn a_handshake_that_lacks_its_key_is_refused() {
    let server = TestServer::memory().await;
    let head = format!(
        "GET {CONFIG_MAPS}?watch=1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    );
    for key in ["", "Sec-WebSocket-Key: \r\n"] {
        assert_eq!(first_bytes(&server, &format!("{head}{key}")).await, "HTTP/1.1 400", "{key:?}");
    }
}
