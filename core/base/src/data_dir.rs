//! The folder that holds everything of one instance (`--data-dir`).

use std::{
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Layout of a data folder. Other tools rely on these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    pub const DEFAULT: &'static str = "/var/lib/gantry";

    /// # Errors
    /// If the path cannot be made absolute.
    pub fn new(path: &Path) -> io::Result<Self> {
        std::path::absolute(path).map(Self)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The administrator's kubeconfig, mode 0600.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    pub fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub fn plugins(&self) -> PathBuf {
        self.0.join("plugins")
    }

    /// OCI and docker archives put here are imported on every node.
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// One folder per node: its containerd, pods, volumes.
    pub fn node(&self, name: &str) -> PathBuf {
        self.0.join("nodes").join(name)
    }

    /// What only lives as long as the processes do: pid and state files, sockets.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// Creates the folder and its parts; the folder can be searched by others (PostgreSQL runs as another user) but what
    /// holds keys cannot.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn create(&self) -> io::Result<()> {
        let make = |path: &Path, mode| std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        make(&self.0, 0o755)?;
        for (part, mode) in [
            (self.logs(), 0o755),
            (self.plugins(), 0o755),
            (self.images(), 0o755),
            (self.run(), 0o755),
            (self.pki(), 0o700),
        ] {
            make(&part, mode)?;
        }
        Ok(())
    }
}

/// Writes a whole file or nothing (temporary name, then rename), with the given mode from the first byte on.
///
/// # Errors
/// If the file cannot be written.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use io::Write;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let staged = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&staged)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_written_0600_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        write_atomically(&path, b"first", 0o600).unwrap();
        write_atomically(&path, b"second", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
