//! cgroups of pods: a tree of QoS classes below the node's root, made directly in the file system.
//!
//! Works on v2 and on v1 with its hierarchies mounted one by one (also beside an empty v2, the hybrid layout).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::pod::{
    desired::DesiredPod,
    resources::{self, QosClass},
};

/// The v1 controllers that pods get a cgroup in.
const V1_CONTROLLERS: [&str; 8] = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];

/// Makes and removes the cgroups of pods.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: String,
    mounts: Vec<Hierarchy>,
}

#[derive(Clone, Debug)]
struct Hierarchy {
    path: PathBuf,
    /// v1: the hierarchy's controller; v2: none.
    controller: Option<&'static str>,
}

impl Cgroups {
    /// `root` is the absolute cgroup path that holds all pods. Looks at /sys/fs/cgroup for what the machine has.
    pub fn new(root: &str) -> Self {
        let base = Path::new("/sys/fs/cgroup");
        let mounts = if base.join("cgroup.controllers").exists() {
            vec![Hierarchy { path: base.into(), controller: None }]
        } else {
            let present = V1_CONTROLLERS.into_iter().filter(|c| base.join(c).join("tasks").exists());
            present.map(|c| Hierarchy { path: base.join(c), controller: Some(c) }).collect()
        };
        Self { root: format!("/{}", root.trim_matches('/')), mounts }
    }

    /// The cgroup of a pod: what CRI calls the parent of its containers.
    pub fn pod_path(&self, pod: &DesiredPod) -> String {
        let class = match QosClass::of(pod) {
            QosClass::Guaranteed => "",
            QosClass::Burstable => "/burstable",
            QosClass::BestEffort => "/besteffort",
        };
        format!("{}{class}/pod{}", self.root, pod.uid())
    }

    /// Makes the pod's cgroup with its limits. Problems are logged: a pod without its own limits still has those of its
    /// containers. Blocks.
    pub fn create(&self, pod: &DesiredPod) {
        let path = self.pod_path(pod);
        for hierarchy in &self.mounts {
            if let Err(error) = create_in(hierarchy, &path).and_then(|folder| limit(hierarchy, &folder, pod)) {
                tracing::warn!(%error, path, controller = ?hierarchy.controller, "a pod's cgroup is incomplete");
            }
        }
    }

    /// Takes the limits of a pod's cgroup away, so that its containers can be given others. Blocks.
    pub fn lift(&self, pod: &DesiredPod) {
        let path = self.pod_path(pod);
        for hierarchy in &self.mounts {
            let folder = hierarchy.path.join(path.trim_start_matches('/'));
            let files: &[_] = match hierarchy.controller {
                Some("cpu") => &[("cpu.cfs_quota_us", "-1")],
                Some("memory") => &[("memory.limit_in_bytes", "-1")],
                Some(_) => &[],
                None => &[("cpu.max", "max"), ("memory.max", "max")],
            };
            for (file, none) in files {
                if let Err(error) = fs::write(folder.join(file), none) {
                    tracing::debug!(%error, path, file, "a limit of a pod's cgroup stays");
                }
            }
        }
    }

    /// Removes a pod's cgroup from whatever class it was in. Idempotent. Blocks.
    pub fn remove(&self, uid: &str) {
        for hierarchy in &self.mounts {
            for class in ["", "burstable", "besteffort"] {
                let folder =
                    hierarchy.path.join(self.root.trim_start_matches('/')).join(class).join(format!("pod{uid}"));
                if let Err(error) = remove_tree(&folder) {
                    tracing::debug!(%error, folder = %folder.display(), "a cgroup is not empty yet");
                }
            }
        }
    }
}

fn create_in(hierarchy: &Hierarchy, path: &str) -> io::Result<PathBuf> {
    let mut folder = hierarchy.path.clone();
    for part in path.trim_matches('/').split('/') {
        if hierarchy.controller.is_none() {
            // v2: children get the controllers that the parent hands on.
            let _ = fs::write(folder.join("cgroup.subtree_control"), "+cpu +memory +pids +cpuset +io");
        }
        let parent = folder.clone();
        folder.push(part);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if hierarchy.controller == Some("cpuset") {
            inherit_cpuset(&parent, &folder)?;
        }
    }
    Ok(folder)
}

/// A v1 cpuset takes no process before its cpus and memory nodes are written.
fn inherit_cpuset(parent: &Path, child: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read_to_string(child.join(file))?.trim().is_empty() {
            fs::write(child.join(file), fs::read_to_string(parent.join(file))?.trim())?;
        }
    }
    Ok(())
}

fn limit(hierarchy: &Hierarchy, folder: &Path, pod: &DesiredPod) -> io::Result<()> {
    let (requests, limits) = resources::pod_amounts(pod);
    let shares = resources::cpu_shares(requests.cpu_milli.unwrap_or_default());
    let quota = limits.cpu_milli.map(resources::cpu_quota_us);
    let write = |file: &str, value: String| fs::write(folder.join(file), value);
    match hierarchy.controller {
        Some("cpu") => {
            write("cpu.shares", shares.to_string())?;
            quota.map_or(Ok(()), |quota| write("cpu.cfs_quota_us", quota.to_string()))
        }
        Some("memory") => limits.memory_bytes.map_or(Ok(()), |bytes| write("memory.limit_in_bytes", bytes.to_string())),
        Some(_) => Ok(()),
        None => {
            // The kernel's own mapping of shares (2..262144) to weights (1..10000).
            write("cpu.weight", (1 + ((shares - 2) * 9999) / 262_142).to_string())?;
            quota.map_or(Ok(()), |quota| write("cpu.max", format!("{quota} 100000")))?;
            limits.memory_bytes.map_or(Ok(()), |bytes| write("memory.max", bytes.to_string()))
        }
    }
}

/// cgroups are removed leaf by leaf; their files cannot be.
fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
