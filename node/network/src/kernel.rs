//! Kernel settings of the network namespace.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use tracing::warn;

/// Where the link of an address is not found.
const DEFAULT_MTU: u32 = 1500;

#[derive(Debug, thiserror::Error)]
#[error("the kernel setting {name} cannot be set to {value}")]
pub struct SettingError {
    pub name: &'static str,
    pub value: &'static str,
    #[source]
    pub source: io::Error,
}

/// Sets it unless it is so already: on some machines settings are read-only, but right.
fn set(name: &'static str, value: &'static str) -> Result<(), SettingError> {
    let path = Path::new("/proc/sys").join(name);
    if std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    std::fs::write(&path, value).map_err(|source| SettingError { name, value, source })
}

/// What pods and services need. True if traffic across a bridge passes the packet filter.
///
/// # Errors
/// Packets cannot be forwarded. What else cannot be had is logged.
pub fn configure() -> Result<bool, SettingError> {
    set("net/ipv4/ip_forward", "1")?;
    if let Err(error) = set("net/ipv4/conf/all/route_localnet", "1") {
        warn!(%error, "node ports will not answer on 127.0.0.1");
    }
    Ok(set("net/bridge/bridge-nf-call-iptables", "1").is_ok())
}

/// The MTU of the link that has this address.
pub fn mtu_of(address: Ipv4Addr) -> u32 {
    let has = |interface: &nix::ifaddrs::InterfaceAddress| {
        interface.address.as_ref().and_then(|a| a.as_sockaddr_in()).is_some_and(|a| a.ip() == address)
    };
    let name = getifaddrs().ok().and_then(|mut all| all.find(has)).map(|interface| interface.interface_name);
    let read = |name: String| std::fs::read_to_string(format!("/sys/class/net/{name}/mtu")).ok()?.trim().parse().ok();
    name.and_then(read).unwrap_or(DEFAULT_MTU)
}
