//! The server on real sockets, asked as resolvers ask it; the cluster is an API in memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gantry_dns::{Dns, DnsConfig, Upstreams};
use gantry_meta::GroupVersionResource;
use gantry_runtime::memory_api::MemoryApi;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};

struct Server {
    address: SocketAddr,
    api: MemoryApi,
    _stop: DropGuard,
}

fn services() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "services")
}

fn service(name: &str, spec: Value) -> Value {
    json!({"metadata": {"namespace": "default", "name": name}, "spec": spec})
}

fn slice(service: &str, endpoints: Value) -> Value {
    json!({
        "metadata": {"namespace": "default", "name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}], "endpoints": endpoints,
    })
}

fn cluster() -> MemoryApi {
    let api = MemoryApi::default();
    let ports = json!([{"name": "http", "port": 80}]);
    api.put(&services(), service("web", json!({"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": ports})));
    api.put(&services(), service("db", json!({"type": "ClusterIP", "clusterIP": "None", "ports": ports})));
    api.put(
        &services(),
        service("inside", json!({"type": "ExternalName", "externalName": "web.default.svc.cluster.local"})),
    );
    api.put(&services(), service("outside", json!({"type": "ExternalName", "externalName": "example.org"})));
    let endpoints = json!([
        {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": true}},
        {"addresses": ["10.244.1.6"], "conditions": {"ready": true}},
        {"addresses": ["10.244.1.7"], "conditions": {"ready": false}},
    ]);
    api.put(&GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices"), slice("db", endpoints));
    api
}

async fn serve(api: MemoryApi, upstreams: Upstreams) -> Server {
    let config = DnsConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        domain: "cluster.local".into(),
        own_blocks: vec!["10.96.0.0/16".parse().expect("a block"), "10.244.0.0/16".parse().expect("a block")],
        upstreams,
    };
    let stop = CancellationToken::new();
    let dns = Dns::bind(config).await.expect("a free port");
    let address = dns.address().expect("a bound port");
    tokio::spawn(dns.serve(Arc::new(api.clone()), stop.clone()));
    let server = Server { address, api, _stop: stop.drop_guard() };
    server
        .until(|answer| answer.metadata.response_code != ResponseCode::ServFail, "cluster.local.", RecordType::SOA)
        .await;
    server
}

async fn server() -> Server {
    serve(cluster(), Upstreams::Fixed(Vec::new())).await
}

fn question(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), record_type));
    message
}

impl Server {
    async fn ask(&self, name: &str, record_type: RecordType) -> Message {
        let message = question(name, record_type);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        socket.connect(self.address).await.expect("the server's address");
        socket.send(&message.to_vec().expect("a question")).await.expect("sent");
        let mut buffer = vec![0; 65535];
        let length = socket.recv(&mut buffer).await.expect("an answer");
        assert!(length <= 512, "a client without EDNS gets at most 512 bytes");
        let answer = Message::from_vec(&buffer[..length]).expect("an answer that can be read");
        assert_eq!((answer.metadata.id, answer.metadata.message_type), (message.metadata.id, MessageType::Response));
        answer
    }

    async fn ask_tcp(&self, name: &str, record_type: RecordType) -> Message {
        let message = question(name, record_type).to_vec().expect("a question");
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        let length = u16::try_from(message.len()).expect("a short question");
        stream.write_all(&[&length.to_be_bytes()[..], &message].concat()).await.expect("sent");
        let mut answer = vec![0; usize::from(stream.read_u16().await.expect("an answer"))];
        stream.read_exact(&mut answer).await.expect("all of it");
        Message::from_vec(&answer).expect("an answer that can be read")
    }

    async fn until(&self, mut holds: impl FnMut(&Message) -> bool, name: &str, record_type: RecordType) {
        while !holds(&self.ask(name, record_type).await) {
            tokio::task::yield_now().await;
        }
    }
}

/// The records' data in text, in the order they came.
fn data(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.data.to_string()).collect()
}

/// Code, and whether an SOA says how long to remember it.
fn absence(answer: &Message) -> (ResponseCode, bool) {
    assert!(answer.answers.is_empty());
    (answer.metadata.response_code, answer.authorities.iter().any(|r| r.record_type() == RecordType::SOA))
}

#[tokio::test]
async fn a_service_has_its_cluster_ip_and_no_other_kind_of_address() {
    let server = server().await;
    let answer = server.ask("Web.default.svc.cluster.local.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["10.96.0.7"]);
    assert_eq!(answer.answers[0].name.to_ascii(), "Web.default.svc.cluster.local.", "the case of the question is kept");
    assert!((5..=30).contains(&answer.answers[0].ttl));
    assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
    let answer = server.ask("web.default.svc.cluster.local.", RecordType::AAAA).await;
    assert_eq!(absence(&answer), (ResponseCode::NoError, true));
}

#[tokio::test]
async fn a_headless_service_has_its_ready_endpoints_each_with_a_name() {
    let server = server().await;
    let answer = server.ask("db.default.svc.cluster.local.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["10.244.0.5", "10.244.1.6"]);
    for (name, address) in [("db-0", "10.244.0.5"), ("10-244-1-6", "10.244.1.6")] {
        let answer = server.ask(&format!("{name}.db.default.svc.cluster.local."), RecordType::A).await;
        assert_eq!(data(&answer.answers), [address]);
    }
    let answer = server.ask("db-9.db.default.svc.cluster.local.", RecordType::A).await;
    assert_eq!(absence(&answer), (ResponseCode::NXDomain, true));
}

#[tokio::test]
async fn ports_are_found_by_name_with_the_addresses_of_their_targets() {
    let server = server().await;
    let answer = server.ask("_http._tcp.web.default.svc.cluster.local.", RecordType::SRV).await;
    assert_eq!(data(&answer.answers), ["0 100 80 web.default.svc.cluster.local."]);
    assert_eq!(data(&answer.additionals), ["10.96.0.7"]);
    let answer = server.ask("_http._tcp.db.default.svc.cluster.local.", RecordType::SRV).await;
    let first = "0 50 8080 db-0.db.default.svc.cluster.local.";
    assert_eq!(data(&answer.answers), [first, "0 50 8080 10-244-1-6.db.default.svc.cluster.local."]);
    let answer = server.ask("_http._udp.web.default.svc.cluster.local.", RecordType::SRV).await;
    assert_eq!(absence(&answer).0, ResponseCode::NXDomain);
}

#[tokio::test]
async fn addresses_have_names_and_unknown_ones_of_the_cluster_have_none() {
    let server = server().await;
    let answer = server.ask("7.0.96.10.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(data(&answer.answers), ["web.default.svc.cluster.local."]);
    let answer = server.ask("5.0.244.10.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(data(&answer.answers), ["db-0.db.default.svc.cluster.local."]);
    let answer = server.ask("99.0.96.10.in-addr.arpa.", RecordType::PTR).await;
    assert_eq!(absence(&answer), (ResponseCode::NXDomain, true));
}

#[tokio::test]
async fn names_along_a_search_path_do_not_exist_and_branches_do() {
    let server = server().await;
    for name in ["example.com.default.svc.cluster.local.", "web.other.svc.cluster.local.", "a.b.c.d.svc.cluster.local."]
    {
        assert_eq!(absence(&server.ask(name, RecordType::A).await), (ResponseCode::NXDomain, true), "{name}");
    }
    for name in ["cluster.local.", "svc.cluster.local.", "default.svc.cluster.local."] {
        assert_eq!(absence(&server.ask(name, RecordType::A).await), (ResponseCode::NoError, true), "{name}");
    }
    let answer = server.ask("10-244-0-5.default.pod.cluster.local.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["10.244.0.5"]);
}

/// A resolver that knows one address for everything.
async fn upstream() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let address = socket.local_addr().expect("a port");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).expect("a question");
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.add_queries(question.queries.clone());
            let data = RData::A(A(Ipv4Addr::new(192, 0, 2, 80)));
            answer.add_answer(Record::from_rdata(question.queries[0].name().clone(), 60, data));
            socket.send_to(&answer.to_vec().expect("an answer"), client).await.expect("sent");
        }
    });
    address
}

#[tokio::test]
async fn everything_else_is_asked_of_the_nodes_resolvers_even_behind_one_that_is_dead() {
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket").local_addr().expect("a port");
    let server = serve(cluster(), Upstreams::Fixed(vec![dead, upstream().await])).await;
    assert_eq!(data(&server.ask("example.com.", RecordType::A).await.answers), ["192.0.2.80"]);
    assert_eq!(data(&server.ask("1.2.0.192.in-addr.arpa.", RecordType::A).await.answers), ["192.0.2.80"]);
}

#[tokio::test]
async fn an_external_name_comes_with_what_it_stands_for() {
    let server = serve(cluster(), Upstreams::Fixed(vec![upstream().await])).await;
    let answer = server.ask("inside.default.svc.cluster.local.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["web.default.svc.cluster.local.", "10.96.0.7"]);
    let answer = server.ask("outside.default.svc.cluster.local.", RecordType::A).await;
    assert_eq!(data(&answer.answers), ["example.org.", "192.0.2.80"]);
}

#[tokio::test]
async fn without_a_resolver_foreign_names_fail_and_the_clusters_do_not() {
    let server = server().await;
    assert_eq!(server.ask("example.com.", RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(server.ask("web.default.svc.cluster.local.", RecordType::A).await.answers.len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_a_packet_is_cut_marked_and_whole_over_tcp() {
    let api = cluster();
    api.put(&services(), service("many", json!({"type": "ClusterIP", "clusterIP": "None"})));
    let endpoints: Vec<_> = (1..=100).map(|i| json!({"addresses": [format!("10.244.9.{i}")]})).collect();
    api.put(&GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices"), slice("many", json!(endpoints)));
    let server = serve(api, Upstreams::Fixed(Vec::new())).await;
    let answer = server.ask("many.default.svc.cluster.local.", RecordType::A).await;
    assert!(answer.metadata.truncation && answer.answers.len() > 20, "{} answers", answer.answers.len());
    assert_eq!(server.ask_tcp("many.default.svc.cluster.local.", RecordType::A).await.answers.len(), 100);
}

#[tokio::test]
async fn a_new_service_is_answered_as_soon_as_it_is_known() {
    let server = server().await;
    let name = "late.default.svc.cluster.local.";
    assert_eq!(absence(&server.ask(name, RecordType::A).await).0, ResponseCode::NXDomain);
    server.api.put(&services(), service("late", json!({"type": "ClusterIP", "clusterIP": "10.96.0.8"})));
    server.until(|answer| data(&answer.answers) == ["10.96.0.8"], name, RecordType::A).await;
}

#[tokio::test]
async fn nonsense_is_answered_as_such_and_the_server_lives_on() {
    let server = server().await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    for nonsense in [&b""[..], b"x", &[0xff; 40], b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c"] {
        socket.send_to(nonsense, server.address).await.expect("sent");
    }
    assert_eq!(server.ask("web.default.svc.cluster.local.", RecordType::A).await.answers.len(), 1);
}
