//! The CNI configuration that pods get where the node's owner installed none.

use std::io;
use std::path::{Path, PathBuf};

use gantry_netfilter::Cidr;
use serde_json::{Value, json};

/// Ours. Named so that whatever an owner installs later, sorted before it, wins.
const FILE_NAME: &str = "10-gantry.conflist";
/// Where distributions and upstream put the standard plugins.
const PLUGIN_DIRS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
/// What the configuration calls.
const NEEDED: [&str; 5] = ["bridge", "host-local", "loopback", "portmap", "ptp"];
/// The bridge that pods hang on.
pub const BRIDGE: &str = "cni0";

#[derive(Debug, thiserror::Error)]
pub enum CniError {
    #[error("{path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the CNI plugins {missing:?} are in none of {PLUGIN_DIRS:?}: install containernetworking-plugins")]
    NoPlugins { missing: Vec<&'static str> },
}

/// How pods are connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CniConfig {
    /// `/etc/cni/net.d`, or the node's own where several share a machine.
    pub conf_dir: PathBuf,
    /// Where host-local remembers which addresses are in use; the node's own.
    pub state_dir: PathBuf,
    pub pod_cidr: Cidr,
    pub mtu: u32,
    /// Packets between two pods of one bridge pass the packet filter (`bridge-nf-call-iptables`). If not, each pod gets a
    /// link of its own to the node instead of a bridge, so that service traffic between them is translated back.
    pub bridge_is_filtered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CniOutcome {
    /// Ours was written, or corrected.
    Written,
    /// Ours stood there already.
    Unchanged,
    /// Somebody else's is there, and is left alone.
    Foreign,
}

impl CniConfig {
    /// Makes sure that there is a configuration: writes ours unless there is a foreign one.
    pub fn install(&self) -> Result<CniOutcome, CniError> {
        if foreign(&self.conf_dir)? {
            return Ok(CniOutcome::Foreign);
        }
        let path = self.conf_dir.join(FILE_NAME);
        let wanted = serde_json::to_vec_pretty(&self.conflist()).expect("a JSON value can be written");
        if std::fs::read(&path).is_ok_and(|there| there == wanted) {
            return Ok(CniOutcome::Unchanged);
        }
        write_atomically(&path, &wanted).map_err(|source| CniError::File { path, source })?;
        Ok(CniOutcome::Written)
    }

    fn conflist(&self) -> Value {
        json!({
            "cniVersion": "1.0.0",
            "name": "gantry",
            "plugins": [self.link(), {"type": "portmap", "capabilities": {"portMappings": true}}],
        })
    }

    /// No `ipMasq`: the service proxy masquerades, and spares traffic between pods of different nodes.
    fn link(&self) -> Value {
        let ipam = json!({
            "type": "host-local",
            "dataDir": self.state_dir,
            "ranges": [[{"subnet": self.pod_cidr.to_string()}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        });
        if self.bridge_is_filtered {
            json!({"type": "bridge", "bridge": BRIDGE, "isGateway": true, "hairpinMode": true, "ipMasq": false,
                   "mtu": self.mtu, "ipam": ipam})
        } else {
            json!({"type": "ptp", "ipMasq": false, "mtu": self.mtu, "ipam": ipam})
        }
    }
}

/// Removes our configuration, if it is there.
pub fn uninstall(conf_dir: &Path) -> Result<(), CniError> {
    let path = conf_dir.join(FILE_NAME);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CniError::File { path, source }),
        _ => Ok(()),
    }
}

/// True if the folder has a configuration that is not ours.
fn foreign(conf_dir: &Path) -> Result<bool, CniError> {
    let failed = |source| CniError::File { path: conf_dir.to_owned(), source };
    std::fs::create_dir_all(conf_dir).map_err(failed)?;
    let names =
        std::fs::read_dir(conf_dir).map_err(failed)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_config = |name: &String| [".conf", ".conflist", ".json"].iter().any(|end| name.ends_with(end));
    Ok(names.filter(is_config).any(|name| name != FILE_NAME))
}

fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, content)?;
    std::fs::rename(beside, path)
}

/// The folder with the standard plugins.
pub fn plugin_dir() -> Result<PathBuf, CniError> {
    let missing = |dir: &Path| NEEDED.into_iter().filter(|name| !dir.join(name).exists()).collect::<Vec<_>>();
    let candidates = PLUGIN_DIRS.map(PathBuf::from);
    let complete = candidates.iter().find(|dir| missing(dir).is_empty()).cloned();
    complete.ok_or_else(|| {
        let fewest = candidates.iter().map(|dir| missing(dir)).min_by_key(Vec::len);
        CniError::NoPlugins { missing: fewest.unwrap_or_default() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> CniConfig {
        CniConfig {
            conf_dir: dir.to_owned(),
            state_dir: dir.join("state"),
            pod_cidr: "10.244.1.0/24".parse().expect("a block"),
            mtu: 1400,
            bridge_is_filtered: true,
        }
    }

    #[test]
    fn ours_is_written_once_and_follows_the_nodes_block() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = config(dir.path());
        assert_eq!(config.install().expect("written"), CniOutcome::Written);
        assert_eq!(config.install().expect("seen"), CniOutcome::Unchanged);
        config.pod_cidr = "10.244.2.0/24".parse().expect("a block");
        assert_eq!(config.install().expect("corrected"), CniOutcome::Written);
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("it is there");
        assert!(text.contains("10.244.2.0/24"));
    }

    #[test]
    fn a_foreign_configuration_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("05-cilium.conflist"), "{}").expect("written");
        assert_eq!(config(dir.path()).install().expect("seen"), CniOutcome::Foreign);
        assert!(!dir.path().join(FILE_NAME).exists());
    }
}
