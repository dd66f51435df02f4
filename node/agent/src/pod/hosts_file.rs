//! The pod's /etc/hosts.

use super::desired::DesiredPod;

/// What the hosts file of a pod says: its own addresses and names, and its `hostAliases`. On the host's network the
/// node's own file (`host_file`) comes first.
pub fn content(pod: &DesiredPod, pod_ips: &[String], cluster_domain: &str, host_file: &str) -> String {
    let mut out = String::from("# Kubernetes-managed hosts file");
    if pod.is_host_network() {
        out.push_str(&format!(" (host network).\n{host_file}"));
    } else {
        out.push_str(".\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        out.push_str("fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
        let names = own_names(pod, cluster_domain);
        pod_ips.iter().for_each(|ip| out.push_str(&format!("{ip}\t{names}\n")));
    }
    let aliases = pod.spec().host_aliases.iter().flatten();
    let mut lines = aliases
        .map(|a| format!("{}\t{}\n", a.ip, a.hostnames.iter().flatten().cloned().collect::<Vec<_>>().join("\t")))
        .peekable();
    if lines.peek().is_some() {
        out.push_str("\n# Entries added by HostAliases.\n");
    }
    lines.for_each(|line| out.push_str(&line));
    out
}

fn own_names(pod: &DesiredPod, cluster_domain: &str) -> String {
    let name = hostname(pod);
    match pod.spec().subdomain.as_deref().filter(|s| !s.is_empty()) {
        Some(subdomain) => format!("{name}.{subdomain}.{}.svc.{cluster_domain}\t{name}", pod.namespace()),
        None => name,
    }
}

/// The pod's host name: `spec.hostname`, else its name, cut to what the kernel takes.
pub fn hostname(pod: &DesiredPod) -> String {
    let wanted = pod.spec().hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(pod.name());
    wanted.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    #[test]
    fn a_subdomain_gives_a_full_name_and_aliases_follow() {
        let pod = pod_of(
            r#"{"containers":[],"hostname":"h","subdomain":"sub","hostAliases":[{"ip":"1.2.3.4","hostnames":["x","y"]}]}"#,
        );
        let text = content(&pod, &["10.0.0.9".into()], "cluster.local", "");
        assert!(text.contains("10.0.0.9\th.sub.ns.svc.cluster.local\th\n"), "{text}");
        assert!(text.ends_with("1.2.3.4\tx\ty\n"), "{text}");
    }
}
