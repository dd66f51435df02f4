//! What has to be on the machine, and how Debian names it.

use anyhow::{Context, Result, bail};

use crate::shell;

/// Debian packages and what each is for.
const PACKAGES: &[(&str, &str)] = &[
    ("postgresql", "the database that `gantry up` manages"),
    ("containerd", "runs the containers"),
    ("runc", "what containerd starts them with"),
    ("containernetworking-plugins", "pod networks (bridge, host-local, portmap)"),
    ("iptables", "services"),
    ("conntrack", "forgets UDP flows of endpoints that are gone"),
    ("iproute2", "network namespaces of `gantry up --nodes`"),
    ("busybox-static", "the base of the example images"),
    ("protobuf-compiler", "builds the container runtime interface"),
    ("python3-yaml", "replays recorded API cases"),
];

/// Only the benchmarks need these: the peers they are paired with.
const PEERS: &[(&str, &str)] = &[("etcd-server", "the peer of the store benchmark")];

/// Installs the Debian packages that are not there yet.
pub fn install_missing() -> Result<()> {
    install(PACKAGES)
}

/// Installs what `cargo xtask bench` compares with.
pub fn install_peers() -> Result<()> {
    install(PEERS)
}

fn install(packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&(&str, &str)> = packages.iter().filter(|(name, _)| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    for (name, purpose) in &missing {
        shell::step(&format!("installing {name}: {purpose}"));
    }
    if shell::find("apt-get").is_none() {
        bail!("this is not a Debian machine; install these yourself: {}", names.join(" "));
    }
    let quiet = |arguments: &[&str]| {
        let mut command = shell::command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdout(std::process::Stdio::null());
        shell::run(&mut command)
    };
    quiet(&["update", "-qq"]).context("the package lists cannot be read (are you root?)")?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(names);
    quiet(&arguments).context("the packages cannot be installed (are you root?)")
}

fn is_installed(package: &str) -> bool {
    let mut query = shell::command("dpkg-query", &["-W", "-f", "${db:Status-Status}", package]);
    shell::output(&mut query).is_ok_and(|status| status == "installed")
}
