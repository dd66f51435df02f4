//! A node's network made ready and taken back, in a network namespace of its own. Needs root and the CNI plugins.

use std::net::Ipv4Addr;
use std::process::Command;

use gantry_network::{CniOutcome, NodeNetworkConfig, clean_up, prepare_node};

const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

fn addresses() -> String {
    let output = Command::new("ip").args(["-4", "address", "show", "dev", "lo"]).output().expect("ip starts");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_node_is_made_ready_once_and_taken_back_without_a_trace() {
    assert!(nix::unistd::geteuid().is_root(), "this test makes a network namespace: run it as root");
    let dir = tempfile::tempdir().expect("a folder");
    let config = NodeNetworkConfig {
        address: Ipv4Addr::LOCALHOST,
        pod_cidr: "10.244.3.0/24".parse().expect("a block"),
        cni_conf_dir: dir.path().join("net.d"),
        cni_state_dir: dir.path().join("state"),
        cluster_dns: Some(CLUSTER_DNS),
    };
    let inside = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let first = prepare_node(&config).await.expect("made ready");
            assert_eq!(first.cni, CniOutcome::Written);
            assert!(first.cni_plugin_dir.join("bridge").exists());
            assert!(addresses().contains("10.96.0.10/32"));
            let forwarding = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("a setting");
            assert_eq!(forwarding.trim(), "1");
            let again = prepare_node(&config).await.expect("ready already");
            assert_eq!(again.cni, CniOutcome::Unchanged);
            clean_up(&config.cni_conf_dir, config.cluster_dns).await.expect("taken back");
            clean_up(&config.cni_conf_dir, config.cluster_dns).await.expect("nothing left to take back");
            assert!(!addresses().contains("10.96.0.10"));
            let left = std::fs::read_dir(&config.cni_conf_dir).expect("the folder stays").count();
            assert_eq!(left, 0);
        });
    };
    std::thread::scope(|scope| scope.spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
}
