//! Namespaces for several nodes, on the machine's real network. Needs root; touches nothing but its own names.

use std::path::Path;
use std::process::Command;

use gantry_network::NodeNetworks;

struct Removed(NodeNetworks);

impl Drop for Removed {
    /// Also after a failed assertion.
    fn drop(&mut self) {
        let networks = self.0.clone();
        let remove = || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().map(|r| r.block_on(networks.destroy()))
        };
        std::thread::scope(|scope| drop(scope.spawn(remove).join()));
    }
}

fn networks(dir: &Path) -> Removed {
    assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces: run them as root");
    Removed(NodeNetworks::new(dir))
}

fn output(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).output().expect("it starts");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A TCP connection from inside `from` to a listener inside `to` (none: the host).
fn connects(from: &str, to: Option<&str>, address: std::net::Ipv4Addr) -> bool {
    let listener = in_namespace(to, move || std::net::TcpListener::bind((address, 0)).expect("the address is here"));
    let port = listener.local_addr().expect("a port").port();
    let timeout = std::time::Duration::from_secs(3);
    in_namespace(Some(from), move || std::net::TcpStream::connect_timeout(&(address, port).into(), timeout).is_ok())
}

fn in_namespace<T: Send>(name: Option<&str>, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Some(name) = name {
                let file = std::fs::File::open(Path::new("/run/netns").join(name)).expect("the namespace has its name");
                nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter");
            }
            work()
        });
        thread.join().expect("the work does not panic")
    })
}

#[tokio::test]
async fn nodes_reach_each_other_and_the_host_and_the_hosts_packet_filter_is_untouched() {
    let dir = tempfile::tempdir().expect("a folder");
    let networks = networks(dir.path());
    let before = output("iptables-save");
    let nodes = networks.0.create(2).await.expect("two nodes");
    let [one, two] = nodes.as_slice() else { panic!("{nodes:?}") };
    assert_ne!(one.address, two.address);
    assert!(connects(&one.name, Some(&two.name), two.address));
    assert!(connects(&two.name, None, two.gateway));
    let strip = |text: String| text.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(strip(output("iptables-save")), strip(before));
}

#[tokio::test]
async fn creating_again_keeps_what_is_there_and_adds_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let networks = networks(dir.path());
    let first = networks.0.create(1).await.expect("one node");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("it is mounted"));
    let before = inode(&first[0].path);
    let again = networks.0.create(2).await.expect("one node more");
    assert_eq!(again[0], first[0]);
    assert_eq!(inode(&again[0].path), before);
    assert!(connects(&again[0].name, Some(&again[1].name), again[1].address));
}

#[tokio::test]
async fn instances_stand_side_by_side_and_leave_nothing_behind() {
    let dirs = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let [left, right] = dirs.each_ref().map(|dir| networks(dir.path()));
    let (l, r) = tokio::join!(left.0.create(1), right.0.create(1));
    let (l, r) = (l.expect("left"), r.expect("right"));
    assert_ne!(l[0].gateway, r[0].gateway);
    assert_ne!(l[0].name, r[0].name);
    left.0.destroy().await.expect("left goes");
    left.0.destroy().await.expect("and is no error when gone");
    assert!(!l[0].path.exists());
    assert!(!Path::new("/sys/class/net").join(left.0.host_interface()).exists());
    assert!(connects(&r[0].name, None, r[0].gateway), "right lives on");
}
