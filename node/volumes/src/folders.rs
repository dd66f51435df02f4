//! Where a node keeps what belongs to its pods. The layout below `pods/` is kubelet's, so that tools that read it work.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::{VolumeError, mounts};

/// The folders of one node.
#[derive(Clone, Debug)]
pub struct NodeFolders {
    root: PathBuf,
}

impl NodeFolders {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn pod(&self, uid: &str) -> PodFolders {
        PodFolders { root: self.root.join("pods").join(uid) }
    }

    /// Container logs in CRI's format, laid out as /var/log/pods is.
    pub fn pod_logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.logs().join(format!("{namespace}_{name}_{uid}"))
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The uids of all pods that have a folder, for clean-up after a restart.
    pub fn pod_uids(&self) -> io::Result<Vec<String>> {
        match fs::read_dir(self.root.join("pods")) {
            Ok(entries) => entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The folder of one pod: volumes, subPath mounts, termination messages, the hosts file.
#[derive(Clone, Debug)]
pub struct PodFolders {
    root: PathBuf,
}

impl PodFolders {
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `plugin` is the kind of volume (`empty-dir`, `secret`, ...).
    pub fn volume(&self, plugin: &str, volume: &str) -> PathBuf {
        self.root.join("volumes").join(format!("kubernetes.io~{plugin}")).join(volume)
    }

    pub fn sub_path(&self, container: &str, index: usize) -> PathBuf {
        self.root.join("volume-subpaths").join(container).join(index.to_string())
    }

    pub fn container(&self, container: &str) -> PathBuf {
        self.root.join("containers").join(container)
    }

    pub fn hosts_file(&self) -> PathBuf {
        self.root.join("etc-hosts")
    }

    /// Unmounts whatever is mounted below the pod's folder and removes the folder. Idempotent.
    pub fn remove(&self) -> Result<(), VolumeError> {
        mounts::unmount_below(&self.root)?;
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(VolumeError::io("removing", &self.root)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a folder and its parents, then gives the last one its mode whatever the umask is.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), VolumeError> {
    use std::os::unix::fs::PermissionsExt;
    let make = || {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    make().map_err(VolumeError::io("creating", path))
}
