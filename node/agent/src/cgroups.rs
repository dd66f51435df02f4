//! cgroups of pods: a tree of QoS classes below the node's root, made directly in the file system.
//!
//! Works on v2 and on v1 with its hierarchies mounted one by one (also beside an empty v2, the hybrid layout).

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::pod::{
    desired::DesiredPod,
    resources::{self, QosClass},
};

/// The v1 controllers that pods get a cgroup in.
const V1_CONTROLLERS: [&str; 8] = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];
const QOS_FOLDERS: [&str; 3] = ["", "burstable", "besteffort"];
/// Processes that are killed are gone within this time, or hang in the kernel.
const DESTROY_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Makes and removes the cgroups of pods.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: String,
    mounts: Vec<Hierarchy>,
    /// The node's root in every hierarchy that is mounted: the runtime makes a container's cgroup, and what is above it, also
    /// in those that pods have no limits in (v1's named ones, and v2 beside v1).
    roots: Vec<PathBuf>,
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
        let root = root.trim_matches('/');
        let (mounts, hierarchies) = if base.join("cgroup.controllers").exists() {
            (vec![Hierarchy { path: base.into(), controller: None }], vec![base.to_owned()])
        } else {
            let present = V1_CONTROLLERS.into_iter().filter(|c| base.join(c).join("tasks").exists());
            (present.map(|c| Hierarchy { path: base.join(c), controller: Some(c) }).collect(), folders_in(base))
        };
        let roots = hierarchies.into_iter().map(|hierarchy| hierarchy.join(root)).collect();
        Self { root: format!("/{root}"), mounts, roots }
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
        for folder in self.qos_folders().map(|class| class.join(format!("pod{uid}"))) {
            if let Err(error) = remove_tree(&folder) {
                tracing::debug!(%error, folder = %folder.display(), "a cgroup is not empty yet");
            }
        }
    }

    /// Uids of all pods that have a cgroup, whether anything runs in it or not. Blocks.
    pub fn pod_uids(&self) -> BTreeSet<String> {
        let pods = self.qos_folders().flat_map(|class| folders_in(&class));
        pods.filter_map(|folder| Some(folder.file_name()?.to_str()?.strip_prefix("pod")?.to_owned())).collect()
    }

    fn qos_folders(&self) -> impl Iterator<Item = PathBuf> {
        self.roots.iter().flat_map(|root| QOS_FOLDERS.map(|class| root.join(class)))
    }

    /// Kills whatever still runs in the node's pods and removes all of their cgroups: the node is taken down. Blocks until
    /// they are gone, for ten seconds at most.
    ///
    /// # Errors
    /// If one could not be removed by then, or the root is that of the whole machine.
    pub fn destroy(&self) -> io::Result<()> {
        if self.root == "/" {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root of all cgroups is not this node's"));
        }
        let started = Instant::now();
        loop {
            match self.roots.iter().try_for_each(|root| kill_all(root).and_then(|()| remove_tree(root))) {
                Err(_) if started.elapsed() < DESTROY_DEADLINE => thread::sleep(LOOK_AGAIN),
                done => return done,
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

/// The folders in a folder; none if it is not there.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn kill_all(folder: &Path) -> io::Result<()> {
    folders_in(folder).iter().try_for_each(|child| kill_all(child))?;
    let listed = if_there(fs::read_to_string(folder.join("cgroup.procs")))?.unwrap_or_default();
    // 0 is who cannot be seen from here, and for kill(2) our own group.
    for pid in listed.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0) {
        // It may have ended since it was listed; what did not is listed again.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    Ok(())
}

/// cgroups are removed leaf by leaf; their files cannot be.
fn remove_tree(folder: &Path) -> io::Result<()> {
    folders_in(folder).iter().try_for_each(|child| remove_tree(child))?;
    if_there(fs::remove_dir(folder)).map(drop)
}

fn if_there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::pod::testing::pod_of;

    #[test]
    fn a_node_that_is_taken_down_leaves_neither_cgroups_nor_what_runs_in_them() {
        let name = format!("gantry-unit-{}", std::process::id());
        let cgroups = Cgroups::new(&name);
        let pod = pod_of(r#"{"containers":[{"name":"a"}]}"#);
        cgroups.create(&pod);
        // As the runtime does, also where the pod has no limits.
        let path = cgroups.pod_path(&pod);
        let below = path.strip_prefix(&format!("/{name}/")).expect("below the root");
        for root in &cgroups.roots {
            fs::create_dir_all(root.join(below).join("container")).expect("root may make cgroups");
        }
        let mut container = Command::new("sleep").arg("1000").spawn().expect("sleep is there");
        // A hierarchy that takes a process without more being set.
        let is_plain = |root: &&PathBuf| root.starts_with("/sys/fs/cgroup/pids") || cgroups.roots.len() == 1;
        let busy = cgroups.roots.iter().find(is_plain).expect("the kernel counts processes");
        fs::write(busy.join(below).join("container/cgroup.procs"), container.id().to_string()).expect("moved");
        assert_eq!(cgroups.pod_uids(), BTreeSet::from(["uid".to_owned()]));

        cgroups.remove("uid");
        for root in &cgroups.roots {
            assert_eq!(root.join(below).exists(), root == busy, "{}: only what runs stays", root.display());
        }
        cgroups.destroy().expect("all goes");
        assert!(cgroups.roots.iter().all(|root| !root.exists()));
        assert!(!container.wait().expect("it was ours").success());
        assert!(Cgroups::new("/").destroy().is_err());
    }
}
