//! The REST client against a server over real TLS.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use gantry_client::{ClientConfig, Identity, RestClient, Token};
use gantry_meta::{GroupVersionResource, Reason};
use gantry_runtime::{
    Cache, DeleteOptions, ListOptions, ObjectSink, ObjectSource, Patch, SinkError, SourceError, WriteTarget, inform,
};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Body = BoxBody<Bytes, Infallible>;

/// What the server saw of a request.
#[derive(Clone, Debug)]
struct Seen {
    request: String,
    version: Version,
    authorization: String,
    content_type: String,
    client_certificate: bool,
    body: String,
}

struct Server {
    address: SocketAddr,
    authority_pem: String,
    issuer: Issuer<'static, KeyPair>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

fn issue(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> (String, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap().pem(), key)
}

fn der(pem: &str) -> CertificateDer<'static> {
    rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()
}

impl Server {
    async fn start(answer: fn(&Seen) -> (u16, Vec<&'static str>)) -> Self {
        let (authority_pem, issuer) = authority();
        let (certificate, key) = issue(&issuer, &["localhost", "127.0.0.1"]);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der(&authority_pem)).unwrap();
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![der(&certificate)], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, tokio_rustls::TlsAcceptor::from(Arc::new(tls)), seen.clone(), answer));
        Self { address, authority_pem, issuer, seen }
    }

    fn config(&self) -> ClientConfig {
        ClientConfig::new(&format!("https://{}", self.address), &self.authority_pem)
    }

    fn client(&self) -> RestClient {
        RestClient::new(self.config()).unwrap()
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("a request")
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: fn(&Seen) -> (u16, Vec<&'static str>),
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let certificate = stream.get_ref().1.peer_certificates().is_some();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let seen = seen.clone();
                async move { Ok::<_, Infallible>(handle(request, certificate, &seen, answer).await) }
            });
            // A connection that the test drops ends with an error that says nothing.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(
    request: Request<Incoming>,
    client_certificate: bool,
    seen: &Mutex<Vec<Seen>>,
    answer: fn(&Seen) -> (u16, Vec<&'static str>),
) -> Response<Body> {
    let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let mut this = Seen {
        request: format!("{} {}", request.method(), request.uri().path_and_query().unwrap()),
        version: request.version(),
        authorization: header("authorization"),
        content_type: header("content-type"),
        client_certificate,
        body: String::new(),
    };
    let body = request.into_body().collect().await.unwrap().to_bytes();
    this.body = String::from_utf8(body.to_vec()).unwrap();
    let (status, chunks) = answer(&this);
    let watch = this.request.contains("watch=true");
    seen.lock().unwrap().push(this);
    let frames = stream::iter(chunks).map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    // A watch stays open after what it has to say.
    let open = if watch { stream::pending().left_stream() } else { stream::empty().right_stream() };
    Response::builder().status(status).body(BodyExt::boxed(StreamBody::new(frames.chain(open)))).unwrap()
}

fn pods() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "pods")
}

const POD: &str =
    r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","uid":"u","resourceVersion":"7"}}"#;

#[tokio::test]
async fn an_informer_fills_its_cache_over_http_2() {
    let server = Server::start(|seen| {
        if seen.request.contains("watch=true") {
            return (200, vec!["{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\"}}}\n{\"type\":\"ADDED\"", ",\"object\":{\"metadata\":{\"name\":\"b\",\"namespace\":\"ns\",\"resourceVersion\":\"9\"}}}\n"]);
        }
        (200, vec![r#"{"metadata":{"resourceVersion":"8"},"items":["#, POD, "]}"])
    })
    .await;
    let stop = CancellationToken::new();
    let options = ListOptions { field_selector: "spec.nodeName=n1".into(), ..ListOptions::default() };
    let cache = inform(Arc::new(server.client()), pods(), options, Cache::<serde_json::Value>::new(), stop.clone());
    let mut events = cache.subscribe();
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(events.recv().await.unwrap().object().key.to_string());
    }
    assert_eq!(names, ["ns/a", "ns/a", "ns/b"]);
    let watch = server.last();
    assert_eq!(watch.version, Version::HTTP_2);
    assert!(
        watch.request.contains("resourceVersion=8") && watch.request.contains("fieldSelector=spec.nodeName%3Dn1"),
        "{watch:?}"
    );
    stop.cancel();
}

/// More of a watch than any client lets wait.
fn unread() -> &'static str {
    Box::leak("\n".repeat(4 << 20).into_boxed_str())
}

#[tokio::test]
async fn a_watch_that_nobody_reads_holds_up_no_other_call() {
    let server =
        Server::start(|seen| (200, vec![if seen.request.contains("watch=true") { unread() } else { POD }])).await;
    let client = server.client();
    let _watch = client.watch(&pods(), &ListOptions::default(), "1").await.unwrap();
    for _ in 0..50 {
        assert!(client.get(&pods(), "ns", "a").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn writes_go_where_they_belong_and_come_back_as_objects() {
    let server = Server::start(|_| (200, vec![POD])).await;
    let client = RestClient::new(server.config().token(Token::Fixed("secret".into()))).unwrap();
    let target = WriteTarget::new(&pods(), "ns", "a");
    let made = client.create(&target, Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!((&*made.name, &*made.uid, &*made.resource_version), ("a", "u", "7"));
    assert_eq!(server.last().request, "POST /api/v1/namespaces/ns/pods");
    assert_eq!(server.last().authorization, "Bearer secret");
    client.patch(&target.clone().subresource("status"), Patch::Merge(Bytes::from_static(b"{}"))).await.unwrap();
    assert_eq!(server.last().request, "PATCH /api/v1/namespaces/ns/pods/a/status");
    assert_eq!(server.last().content_type, "application/merge-patch+json");
    let apply = Patch::Apply { body: Bytes::from_static(b"{}"), field_manager: "m".into(), force: true };
    client.patch(&target, apply).await.unwrap();
    assert_eq!(server.last().request, "PATCH /api/v1/namespaces/ns/pods/a?fieldManager=m&force=true");
    client.delete(&target, &DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() }).await.unwrap();
    assert!(server.last().body.contains("\"gracePeriodSeconds\":0"));
}

#[tokio::test]
async fn failures_carry_the_servers_status() {
    let server = Server::start(|seen| match &*seen.request {
        "GET /api/v1/namespaces/ns/pods/gone" => (404, vec![r#"{"kind":"Status","code":404,"reason":"NotFound"}"#]),
        "GET /api/v1/namespaces/ns/pods/shut" => (403, vec![r#"{"kind":"Status","code":403,"reason":"Forbidden"}"#]),
        "GET /api/v1/pods" => (410, vec![r#"{"kind":"Status","code":410,"reason":"Expired"}"#]),
        "GET /api/v1/nodes" => (503, vec!["starting"]),
        _ => (409, vec![r#"{"kind":"Status","code":409,"reason":"Conflict","message":"changed"}"#]),
    })
    .await;
    let client = server.client();
    assert!(client.get(&pods(), "ns", "gone").await.unwrap().is_none());
    let shut = client.get(&pods(), "ns", "shut").await.unwrap_err();
    assert!(matches!(shut, SourceError::Refused(status) if status.is(Reason::Forbidden)));
    assert!(matches!(client.list(&pods(), &ListOptions::default()).await, Err(SourceError::Expired)));
    let nodes = GroupVersionResource::new("", "v1", "nodes");
    assert!(matches!(client.list(&nodes, &ListOptions::default()).await, Err(SourceError::Unavailable(_))));
    let conflict = client.update(&WriteTarget::new(&pods(), "ns", "a"), Bytes::new()).await.unwrap_err();
    assert!(matches!(conflict, SinkError::Refused(status) if status.is(Reason::Conflict)));
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_an_unknown_authority_is_not_trusted() {
    let server = Server::start(|_| (200, vec![POD])).await;
    let (certificate, key) = issue(&server.issuer, &["client"]);
    let folder = tempfile::tempdir().unwrap();
    let (certificate_path, key_path) = (folder.path().join("c.crt"), folder.path().join("c.key"));
    std::fs::write(&certificate_path, certificate).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    let identity = Identity::Files { certificate: certificate_path, key: key_path };
    let client = RestClient::new(server.config().identity(identity)).unwrap();
    client.get(&pods(), "ns", "a").await.unwrap();
    assert!(server.last().client_certificate);
    let (other_authority, _) = authority();
    let stranger =
        RestClient::new(ClientConfig::new(&format!("https://{}", server.address), &other_authority)).unwrap();
    let error = stranger.get(&pods(), "ns", "a").await.unwrap_err();
    assert!(matches!(&error, SourceError::Unavailable(why) if why.contains("certificate")), "{error}");
}

#[tokio::test]
async fn a_token_file_is_read_and_a_server_without_https_is_refused() {
    let server = Server::start(|_| (200, vec![POD])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-file\n").unwrap();
    let client = RestClient::new(server.config().token(Token::file(&path))).unwrap();
    client.get(&pods(), "ns", "a").await.unwrap();
    assert_eq!(server.last().authorization, "Bearer from-file");
    assert!(RestClient::new(ClientConfig::new("http://127.0.0.1:1", &server.authority_pem)).is_err());
}
