//! Two nodes in network namespaces of their own, with pods made by the real CNI plugins, routes, DNS and service rules. The
//! cluster is an API in memory. Needs root; everything is gone when the lab is dropped.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gantry_dns::{DnsConfig, Upstreams};
use gantry_meta::GroupVersionResource;
use gantry_netfilter::{Cidr, IptablesDriver, Programs};
use gantry_network::{NodeNamespace, NodeNetworkConfig, NodeNetworks, RouteConfig, prepare_node, run_routes};
use gantry_plugin::rule_ir::RuleIr;
use gantry_plugin::service_rules::{Reach, plan};
use gantry_proxy::chains::{Networks, ownership};
use gantry_proxy::{PlanError, PlanRequest, ProxyConfig, ServicePlanner};
use gantry_runtime::memory_api::MemoryApi;
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may take. Longer than the first retransmission: a packet may be lost while rules change.
const CONNECT: Duration = Duration::from_secs(3);
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

pub fn services() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "services")
}

pub fn slices() -> GroupVersionResource {
    GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices")
}

fn cidr(text: &str) -> Cidr {
    text.parse().expect("an address block")
}

/// What the plugins of the built-in types do, without loading them.
pub struct BuiltIn;

#[async_trait]
impl ServicePlanner for BuiltIn {
    async fn plan(&self, request: &PlanRequest) -> Result<RuleIr, PlanError> {
        let services: Vec<_> = serde_json::from_slice(&request.services).expect("a list of Services");
        let slices: Vec<_> = serde_json::from_slice(&request.slices).expect("a list of EndpointSlices");
        Ok(plan(&request.node, &services, &slices, Reach::LoadBalancer))
    }
}

pub struct Lab {
    pub api: MemoryApi,
    pub nodes: Vec<NodeNamespace>,
    networks: NodeNetworks,
    stop: CancellationToken,
    daemons: Vec<std::thread::JoinHandle<()>>,
    dir: tempfile::TempDir,
}

/// A pod: a namespace with an address.
pub struct Pod {
    pub name: String,
    pub namespace: String,
    pub node: String,
    pub address: Ipv4Addr,
}

impl Lab {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces: run them as root");
        let dir = tempfile::tempdir().expect("a folder");
        let networks = NodeNetworks::new(dir.path());
        let nodes = block_on(networks.create(2)).expect("two nodes");
        let mut lab =
            Self { api: MemoryApi::default(), nodes, networks, stop: CancellationToken::new(), daemons: vec![], dir };
        lab.register_nodes();
        for index in 0..lab.nodes.len() {
            lab.start_daemon(index);
        }
        lab
    }

    fn register_nodes(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let block = pod_cidr(index).to_string();
            self.api.put(
                &GroupVersionResource::new("", "v1", "nodes"),
                json!({
                    "metadata": {"name": node.name}, "spec": {"podCIDR": block, "podCIDRs": [block]},
                    "status": {"addresses": [{"type": "InternalIP", "address": node.address}]},
                }),
            );
        }
    }

    /// The network part of a node daemon, on a thread inside the node's namespace.
    fn start_daemon(&mut self, index: usize) {
        let node = self.nodes[index].clone();
        let (api, stop, config) = (self.api.clone(), self.stop.clone(), self.network_config(index));
        let (ready, wait) = std::sync::mpsc::channel();
        self.daemons.push(std::thread::spawn(move || {
            enter(&node.name);
            block_on(async move {
                prepare_node(&config).await.expect("the node's network");
                ready.send(()).expect("the lab waits");
                // Spawned, as in a daemon of several threads: so the parts must be Send.
                tokio::spawn(daemon(node, api, stop)).await.expect("no part panics");
            });
        }));
        wait.recv().expect("the node's network is ready");
    }

    fn network_config(&self, index: usize) -> NodeNetworkConfig {
        NodeNetworkConfig {
            address: self.nodes[index].address,
            pod_cidr: pod_cidr(index),
            cni_conf_dir: self.node_dir(index).join("net.d"),
            cni_state_dir: self.node_dir(index).join("cni"),
            cluster_dns: Some(CLUSTER_DNS),
        }
    }

    fn node_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node-{index}"))
    }

    /// A pod as the container runtime would make it: loopback, then the first plugin of the configuration.
    pub fn pod(&self, index: usize, name: &str) -> Pod {
        let node = self.nodes[index].name.clone();
        let namespace = format!("{}-{name}", self.nodes[0].name);
        run(&format!("ip netns add {namespace}"));
        run(&format!("ip -n {namespace} link set lo up"));
        let conflist = std::fs::read(self.node_dir(index).join("net.d/10-gantry.conflist")).expect("it was written");
        let conflist: Value = serde_json::from_slice(&conflist).expect("JSON");
        let mut config = conflist["plugins"][0].clone();
        config["name"] = conflist["name"].clone();
        config["cniVersion"] = conflist["cniVersion"].clone();
        let answer = in_namespace(&node, || cni_add(&config, &namespace));
        let address = answer["ips"][0]["address"].as_str().and_then(|a| a.split('/').next()).expect("an address");
        Pod { name: name.into(), namespace, node, address: address.parse().expect("an IPv4 address") }
    }

    pub fn put_service(&self, name: &str, spec: Value) {
        self.api.put(&services(), json!({"metadata": {"namespace": "default", "name": name}, "spec": spec}));
    }

    /// The service's endpoints, port 8080.
    pub fn put_endpoints(&self, service: &str, protocol: &str, pods: &[&Pod]) {
        let endpoint = |pod: &&Pod| json!({"addresses": [pod.address], "nodeName": pod.node, "conditions": {"ready": true, "serving": true}});
        self.api.put(&slices(), json!({
            "metadata": {"namespace": "default", "name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "ports": [{"name": "http", "protocol": protocol, "port": 8080}],
            "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
        }));
    }

    pub fn iptables_save(&self, node: usize) -> String {
        let output = in_namespace(&self.nodes[node].name, || Command::new("iptables-save").output());
        String::from_utf8(output.expect("iptables-save starts").stdout).expect("text")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
        self.daemons.drain(..).for_each(|daemon| drop(daemon.join()));
        if let Err(error) = block_on(self.networks.destroy()) {
            eprintln!("the lab was not taken down: {error}");
        }
    }
}

async fn daemon(node: NodeNamespace, api: MemoryApi, stop: CancellationToken) {
    let source: Arc<dyn gantry_runtime::ObjectSource> = Arc::new(api);
    let firewall = Box::new(IptablesDriver::new(Programs::default(), ownership()));
    let config = ProxyConfig { node: node.name.clone(), networks: Networks { pods: Some(cidr("10.244.0.0/16")) } };
    let proxy = gantry_proxy::run(config, source.clone(), Arc::new(BuiltIn), firewall, stop.clone());
    let routes = run_routes(RouteConfig { node: node.name }, source.clone(), stop.clone());
    let dns = DnsConfig {
        listen: (CLUSTER_DNS, 53).into(),
        domain: "cluster.local".into(),
        own_blocks: vec![cidr("10.96.0.0/16"), cidr("10.244.0.0/16")],
        upstreams: Upstreams::Fixed(Vec::new()),
    };
    let dns = gantry_dns::run(dns, source, stop);
    let (dns, (), ()) = tokio::join!(dns, proxy, routes);
    dns.expect("DNS could listen");
}

fn pod_cidr(index: usize) -> Cidr {
    cidr(&format!("10.244.{index}.0/24"))
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).output().expect("it starts");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

fn cni_add(config: &Value, namespace: &str) -> Value {
    let dir = gantry_network::plugin_dir().expect("the CNI plugins are installed");
    let program = dir.join(config["type"].as_str().expect("a type"));
    let mut child = Command::new(program)
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", namespace)
        .env("CNI_NETNS", Path::new("/run/netns").join(namespace))
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the plugin starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(config.to_string().as_bytes()).expect("the plugin reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the plugin ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "CNI ADD: {text}");
    serde_json::from_str(&text).expect("a CNI result")
}

fn enter(namespace: &str) {
    let file = std::fs::File::open(Path::new("/run/netns").join(namespace)).expect("the namespace has its name");
    setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter");
}

/// Does the work on a thread inside the namespace.
pub fn in_namespace<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(namespace);
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Pod {
    /// Tells everyone who connects its name and the address they come from, until the process ends.
    pub fn serve_tcp(&self) {
        let (name, address) = (self.name.clone(), self.address);
        let listener = in_namespace(&self.namespace, || TcpListener::bind((address, 8080)).expect("a free port"));
        std::thread::spawn(move || serve_tcp(&listener, &name));
    }

    /// The same for datagrams.
    pub fn serve_udp(&self) {
        let (name, address) = (self.name.clone(), self.address);
        let socket = in_namespace(&self.namespace, || UdpSocket::bind((address, 8080)).expect("a free port"));
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, client)) = socket.recv_from(&mut buffer) {
                // A client that is gone is no reason to end.
                drop(socket.send_to(name.as_bytes(), client));
            }
        });
    }
}

pub fn serve_tcp(listener: &TcpListener, name: &str) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let Ok(peer) = stream.peer_addr() else { continue };
        // A client that is gone is no reason to end.
        drop(write!(stream, "{name} {}", peer.ip()));
    }
}

/// Who answered, and whom they saw.
pub fn connect(namespace: Option<&str>, to: impl Into<SocketAddr>) -> std::io::Result<(String, IpAddr)> {
    let to = to.into();
    let dial = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, CONNECT)?;
        stream.set_read_timeout(Some(CONNECT))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text: String = match namespace {
        Some(namespace) => in_namespace(namespace, dial)?,
        None => dial()?,
    };
    let (name, peer) = text.split_once(' ').ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((name.to_owned(), peer.parse().map_err(|_| std::io::ErrorKind::InvalidData)?))
}

/// Asks until it holds; fails with the last answer when patience ends.
pub fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, holds: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if holds(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        std::thread::yield_now();
    }
}

/// Connects until somebody answers.
pub fn until_answer(namespace: Option<&str>, to: impl Into<SocketAddr> + Copy) -> (String, IpAddr) {
    until(|| connect(namespace, to), Result::is_ok).expect("it holds")
}

/// Connects until it is refused.
pub fn until_refused(namespace: Option<&str>, to: impl Into<SocketAddr> + Copy) {
    let kind = || connect(namespace, to).map(|(name, _)| name).map_err(|error| error.kind());
    until(kind, |answer| *answer == Err(std::io::ErrorKind::ConnectionRefused)).expect_err("it holds");
}

/// The whole answer as text; empty if there is none.
pub fn http_get(to: impl Into<SocketAddr>) -> String {
    let ask = |to: SocketAddr| -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, CONNECT)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask(to.into()).unwrap_or_default()
}
