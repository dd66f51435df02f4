//! What a pod's resolv.conf says.

use std::{fs, path::Path};

use gantry_cri::api::DnsConfig;

use super::desired::DesiredPod;
use crate::NodeConfig;

/// The limits of resolv.conf that Kubernetes keeps to.
const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;

/// The pod's resolver configuration by its `dnsPolicy` and `dnsConfig`.
pub fn pod_dns(pod: &DesiredPod, node: &NodeConfig) -> DnsConfig {
    let policy = pod.spec().dns_policy.as_deref().unwrap_or("ClusterFirst");
    let mut dns = match policy {
        "None" => DnsConfig::default(),
        "ClusterFirstWithHostNet" => cluster(pod, node),
        "ClusterFirst" if !pod.is_host_network() => cluster(pod, node),
        _ => host(&node.resolv_conf),
    };
    extend(&mut dns, pod);
    dns
}

fn cluster(pod: &DesiredPod, node: &NodeConfig) -> DnsConfig {
    let domain = &node.cluster_domain;
    let mut searches = vec![format!("{}.svc.{domain}", pod.namespace()), format!("svc.{domain}"), domain.clone()];
    searches.extend(host(&node.resolv_conf).searches);
    searches.truncate(MAX_SEARCHES);
    DnsConfig {
        servers: node.cluster_dns.iter().map(ToString::to_string).collect(),
        searches,
        options: vec!["ndots:5".into()],
    }
}

fn host(path: &Path) -> DnsConfig {
    let mut dns = DnsConfig::default();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => dns.servers.extend(words.next()),
            Some("search" | "domain") => dns.searches = words.filter(|word| word != ".").collect(),
            Some("options") => dns.options = words.collect(),
            _ => {}
        }
    }
    dns.servers.truncate(MAX_SERVERS);
    dns
}

fn extend(dns: &mut DnsConfig, pod: &DesiredPod) {
    let Some(config) = &pod.spec().dns_config else { return };
    add_new(&mut dns.servers, config.nameservers.iter().flatten());
    add_new(&mut dns.searches, config.searches.iter().flatten());
    for option in config.options.iter().flatten() {
        let Some(name) = &option.name else { continue };
        dns.options.retain(|known| known != name && !known.starts_with(&format!("{name}:")));
        let value = option.value.as_ref().map(|value| format!(":{value}")).unwrap_or_default();
        dns.options.push(format!("{name}{value}"));
    }
    dns.servers.truncate(MAX_SERVERS);
    dns.searches.truncate(MAX_SEARCHES);
}

fn add_new<'a>(list: &mut Vec<String>, more: impl Iterator<Item = &'a String>) {
    for entry in more {
        if !list.contains(entry) {
            list.push(entry.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeConfig, pod::testing::pod_of};

    fn node(folder: &Path) -> NodeConfig {
        let file = folder.join("resolv.conf");
        fs::write(&file, "# comment\nnameserver 9.9.9.9\nsearch example.org\noptions edns0\n").expect("written");
        let ip = [192, 0, 2, 1].into();
        NodeConfig { resolv_conf: file, ..NodeConfig::new("n", ip, folder, folder) }
    }

    #[test]
    fn policies_choose_between_cluster_and_host() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let of = |spec: &str| pod_dns(&pod_of(spec), &node(folder.path()));
        let cluster = of(r#"{"containers":[]}"#);
        assert_eq!(cluster.servers, ["10.96.0.10"]);
        assert_eq!(cluster.searches, ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"]);
        let host = of(r#"{"containers":[],"hostNetwork":true,"dnsPolicy":"ClusterFirst"}"#);
        assert_eq!((host.servers, host.options), (vec!["9.9.9.9".to_owned()], vec!["edns0".to_owned()]));
        let own = of(
            r#"{"containers":[],"dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1"],"options":[{"name":"ndots","value":"2"}]}}"#,
        );
        assert_eq!((own.servers, own.options), (vec!["1.1.1.1".to_owned()], vec!["ndots:2".to_owned()]));
    }
}
