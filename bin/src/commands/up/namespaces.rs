//! The mount (and UTS) namespace of a node. It outlives the daemon: what the daemon mounted for running pods is still there,
//! and still seen by them, when it starts again.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::nodes::NodePlace;

/// `$1`: the folder of the namespace files, `$2`: the host name to set, or nothing.
/// The folder is a private mount of its own, as the kernel asks of what a mount namespace is bound to. Inside, everything is
/// shared again so that containers see what is mounted later, but not with the machine.
/// A mount namespace can be bound only in one with a lower number. Linux 6.18 takes the numbers from a range per processor, so that
/// within another namespace than the machine's first it depends on the processor; on the one that made the outer it succeeds.
const MAKE: &str = r#"
set -e
mkdir -p "$1"
mountpoint -q "$1" || { mount --bind "$1" "$1"; mount --make-private "$1"; }
if [ -e "$1/mnt" ] && nsenter --mount="$1/mnt" true 2>/dev/null; then exit 0; fi
touch "$1/mnt" "$1/uts"
folder=$1 host_name=$2
make() {
    "$@" unshare --mount="$folder/mnt" --uts="$folder/uts" --propagation private \
        sh -c 'mount --make-rshared / && { [ -z "$0" ] || hostname "$0"; }' "$host_name" && exit 0
    umount "$folder/uts" 2>/dev/null || true
}
make
for processor in $(seq 0 $(($(nproc --all) - 1))); do
    make taskset --cpu-list "$processor" 2>/dev/null
done
exit 1
"#;

const REMOVE: &str = r#"
for file in mnt uts; do umount "$1/$file" 2>/dev/null || true; done
if mountpoint -q "$1"; then umount "$1"; fi
"#;

fn folder_of(node_folder: &Path) -> std::path::PathBuf {
    node_folder.join("namespaces")
}

fn shell(script: &str, node_folder: &Path, argument: &str) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder_of(node_folder)).arg(argument);
    let output = command.output().context("cannot run sh")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Makes the node's namespaces if they are not there.
///
/// # Errors
/// Without root, or where the kernel refuses.
pub fn ensure(place: &NodePlace, node_folder: &Path) -> Result<()> {
    let host_name = place.namespace.as_ref().map_or("", |n| n.name.as_str());
    shell(MAKE, node_folder, host_name).with_context(|| format!("cannot make the namespaces of node {}", place.name))
}

/// Gives the namespaces up; they end with the last process in them.
///
/// # Errors
/// If they cannot be unmounted.
pub fn remove(node_folder: &Path) -> Result<()> {
    shell(REMOVE, node_folder, "").with_context(|| format!("cannot remove the namespaces in {}", node_folder.display()))
}

/// The words before a command that runs it on the node.
pub fn enter(place: &NodePlace, node_folder: &Path) -> Vec<String> {
    let folder = folder_of(node_folder);
    let mut words = vec!["nsenter".to_owned(), format!("--mount={}", folder.join("mnt").display())];
    if let Some(namespace) = &place.namespace {
        words.push(format!("--uts={}", folder.join("uts").display()));
        words.push(format!("--net={}", namespace.path.display()));
    }
    words.push("--".into());
    words
}
