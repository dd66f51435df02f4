//! Real connections through services: two nodes, the kernel's packet filter, CNI pods. Needs root.

mod lab;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use lab::{CLUSTER_DNS, Lab, connect, in_namespace, until, until_answer, until_refused};
use serde_json::{Value, json};

const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 7);
const WEB: (Ipv4Addr, u16) = (CLUSTER_IP, 80);
const NODE_PORT: u16 = 30080;

fn node_port_spec(more: Value) -> Value {
    let mut spec = json!({"type": "NodePort", "clusterIP": CLUSTER_IP,
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": NODE_PORT}]});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

/// Everyone who answers, in enough tries to meet each of two.
fn answerers(namespace: Option<&str>, to: impl Into<SocketAddr> + Copy) -> BTreeSet<String> {
    (0..24).map(|_| connect(namespace, to).expect("an answer").0).collect()
}

#[test]
fn pods_nodes_and_strangers_reach_endpoints_on_every_node() {
    let lab = Lab::new();
    let (a, b, client) = (lab.pod(0, "a"), lab.pod(1, "b"), lab.pod(0, "client"));
    [&a, &b].iter().for_each(|pod| pod.serve_tcp());
    lab.put_service("web", node_port_spec(json!({})));
    lab.put_endpoints("web", "TCP", &[&a, &b]);
    until_answer(Some(&client.namespace), WEB);
    until_answer(None, (lab.nodes[1].address, NODE_PORT));

    let both = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    assert_eq!(answerers(Some(&client.namespace), WEB), both, "from a pod");
    assert_eq!(answerers(Some(&lab.nodes[0].name), WEB), both, "from a node");
    for node in &lab.nodes {
        assert_eq!(answerers(None, (node.address, NODE_PORT)), both, "from outside through {}", node.name);
    }
    let own = (Ipv4Addr::LOCALHOST, NODE_PORT);
    assert_eq!(answerers(Some(&lab.nodes[0].name), own), both, "from a node to its own loopback address");

    let (_, seen) = connect(Some(&client.namespace), WEB).expect("an answer");
    assert_eq!(seen, IpAddr::from(client.address), "a pod keeps its address, also towards another node");
    let (_, seen) = connect(Some(&client.namespace), (b.address, 8080)).expect("an answer");
    assert_eq!(seen, IpAddr::from(client.address), "and without a service");
}

#[test]
fn pods_leave_the_cluster_with_their_nodes_address() {
    let lab = Lab::new();
    let client = lab.pod(1, "client");
    let listener = TcpListener::bind((lab.nodes[1].gateway, 0)).expect("a free port");
    let outside = listener.local_addr().expect("a port");
    std::thread::spawn(move || lab::serve_tcp(&listener, "outside"));
    let (_, seen) = until_answer(Some(&client.namespace), outside);
    assert_eq!(seen, IpAddr::from(lab.nodes[1].address));
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    let lab = Lab::new();
    let a = lab.pod(0, "a");
    a.serve_tcp();
    lab.put_service("web", node_port_spec(json!({})));
    lab.put_endpoints("web", "TCP", &[&a]);
    let (name, seen) = until_answer(Some(&a.namespace), WEB);
    assert_eq!(name, "a");
    assert_ne!(seen, IpAddr::from(a.address));
}

#[test]
fn without_endpoints_connections_are_refused_at_once() {
    let lab = Lab::new();
    let (a, client) = (lab.pod(0, "a"), lab.pod(0, "client"));
    a.serve_tcp();
    lab.put_service("web", node_port_spec(json!({})));
    until_refused(Some(&client.namespace), WEB);
    until_refused(None, (lab.nodes[0].address, NODE_PORT));
    lab.put_endpoints("web", "TCP", &[&a]);
    until_answer(Some(&client.namespace), WEB);
    lab.put_endpoints("web", "TCP", &[]);
    until_refused(Some(&client.namespace), WEB);
}

#[test]
fn no_connection_fails_while_endpoints_come_and_go() {
    let lab = Lab::new();
    let (a, b, client) = (lab.pod(0, "a"), lab.pod(1, "b"), lab.pod(0, "client"));
    [&a, &b].iter().for_each(|pod| pod.serve_tcp());
    lab.put_service("web", node_port_spec(json!({})));
    lab.put_endpoints("web", "TCP", &[&a]);
    until_answer(Some(&client.namespace), WEB);
    // A failed connection fails the test at once.
    for pods in [&[&a, &b][..], &[&b], &[&a], &[&a, &b]] {
        lab.put_endpoints("web", "TCP", pods);
        let want: BTreeSet<_> = pods.iter().map(|pod| pod.name.clone()).collect();
        until(|| answerers(Some(&client.namespace), WEB), |got| *got == want);
    }
}

#[test]
fn external_policy_local_keeps_the_clients_address_and_serves_only_on_nodes_with_endpoints() {
    let lab = Lab::new();
    let (a, client) = (lab.pod(0, "a"), lab.pod(1, "client"));
    a.serve_tcp();
    lab.put_service("web", node_port_spec(json!({"externalTrafficPolicy": "Local"})));
    lab.put_endpoints("web", "TCP", &[&a]);
    let [with, without] = [(lab.nodes[0].address, NODE_PORT), (lab.nodes[1].address, NODE_PORT)];
    let (_, seen) = until_answer(None, with);
    assert_eq!(seen, IpAddr::from(lab.nodes[0].gateway), "a stranger keeps its address");
    until_answer(Some(&client.namespace), without);
    let outcome = connect(None, without);
    assert!(outcome.is_err_and(|e| matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)));
}

#[test]
fn clients_stay_with_their_endpoint_under_session_affinity() {
    let lab = Lab::new();
    let (a, b, client) = (lab.pod(0, "a"), lab.pod(1, "b"), lab.pod(0, "client"));
    [&a, &b].iter().for_each(|pod| pod.serve_tcp());
    lab.put_service("web", node_port_spec(json!({"sessionAffinity": "ClientIP"})));
    lab.put_endpoints("web", "TCP", &[&a, &b]);
    until_answer(Some(&client.namespace), WEB);
    assert_eq!(answerers(Some(&client.namespace), WEB).len(), 1);
}

#[test]
fn a_datagram_client_that_never_pauses_follows_when_the_endpoint_moves() {
    let lab = Lab::new();
    let (a, b, client) = (lab.pod(0, "a"), lab.pod(1, "b"), lab.pod(0, "client"));
    [&a, &b].iter().for_each(|pod| pod.serve_udp());
    lab.put_service(
        "web",
        json!({"type": "ClusterIP", "clusterIP": CLUSTER_IP,
                                  "ports": [{"name": "http", "protocol": "UDP", "port": 80}]}),
    );
    let socket = in_namespace(&client.namespace, || UdpSocket::bind((client.address, 0)).expect("a socket"));
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let ask = || {
        let mut buffer = [0; 64];
        // Refusals of earlier packets come back as errors of later ones.
        drop(socket.send_to(b"?", WEB));
        socket
            .recv(&mut buffer)
            .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
            .unwrap_or_default()
    };
    until(ask, |answer| answer.is_empty());
    for pod in [&a, &b] {
        lab.put_endpoints("web", "UDP", &[pod]);
        until(ask, |answer| *answer == pod.name);
    }
}

#[test]
fn a_pod_resolves_a_service_with_an_ordinary_resolver() {
    let lab = Lab::new();
    let client = lab.pod(1, "client");
    // As the server makes it, without endpoints: the node has its address and answers itself, so it must not refuse.
    lab.api.put(&lab::services(), json!({
        "metadata": {"namespace": "kube-system", "name": "kube-dns"},
        "spec": {"type": "ClusterIP", "clusterIP": CLUSTER_DNS, "ports": [{"name": "dns", "protocol": "UDP", "port": 53}]},
    }));
    lab.put_service("web", node_port_spec(json!({})));
    until(
        || lab.iptables_save(1),
        |saved| saved.contains("default/web:http") && saved.contains("kube-system/kube-dns:dns"),
    );
    let resolve = || {
        let args =
            ["nslookup", "-type=a", "web.default.svc.cluster.local", &CLUSTER_DNS.to_string()].map(str::to_owned);
        let output = in_namespace(&client.namespace, || Command::new("busybox").args(args).output());
        String::from_utf8_lossy(&output.expect("busybox is installed").stdout).into_owned()
    };
    until(resolve, |answer| answer.contains("Address: 10.96.0.7"));
}

#[test]
fn what_others_wrote_into_the_tables_stays_while_services_come_and_go() {
    let lab = Lab::new();
    let node = lab.nodes[0].name.clone();
    let add = ["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "ACCEPT"];
    let added = in_namespace(&node, || Command::new("iptables").args(add).status());
    assert!(added.expect("iptables starts").success());
    let foreign = "-A PREROUTING -p tcp -m tcp --dport 9 -j ACCEPT";
    lab.put_service("web", node_port_spec(json!({})));
    until(|| lab.iptables_save(0), |saved| saved.contains("default/web:http"));
    assert!(lab.iptables_save(0).contains(foreign));
    lab.put_service("web", json!({"type": "ExternalName", "externalName": "example.org"}));
    until(|| lab.iptables_save(0), |saved| !saved.contains("default/web:http"));
    assert!(lab.iptables_save(0).contains(foreign));
}

#[test]
fn load_balancers_learn_on_the_health_check_port_which_nodes_have_endpoints() {
    let lab = Lab::new();
    let a = lab.pod(0, "a");
    let spec = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000});
    lab.put_service("web", node_port_spec(spec));
    lab.put_endpoints("web", "TCP", &[&a]);
    for (node, status) in lab.nodes.iter().zip(["200 OK", "503 Service Unavailable"]) {
        let expected = format!("HTTP/1.1 {status}\r\n");
        until(|| lab::http_get((node.address, 31000)), |answer| answer.starts_with(&expected));
    }
    lab.put_endpoints("web", "TCP", &[]);
    until(|| lab::http_get((lab.nodes[0].address, 31000)), |answer| answer.contains("\"localEndpoints\":0"));
}
