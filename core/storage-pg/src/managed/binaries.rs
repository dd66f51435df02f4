//! Where PostgreSQL's programs are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::ManagedError;

/// The oldest major version that the store's SQL runs on.
const OLDEST: u32 = 15;

/// A folder with `initdb` and `postgres`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The newest installed version, or the one that made the cluster in `data`.
    pub fn find(data: &Path) -> Result<Self, ManagedError> {
        let made_by = fs::read_to_string(data.join("PG_VERSION")).ok().map(|v| v.trim().to_owned());
        let Some(made_by) = made_by else { return Self::newest() };
        let same = installed().into_iter().rev().find(|(version, _)| made_by == version.to_string());
        same.map(|(_, dir)| Self { dir }).ok_or(ManagedError::OtherVersion { data: data.to_owned(), made_by })
    }

    /// The newest installed version.
    pub fn newest() -> Result<Self, ManagedError> {
        let newest = installed().pop().filter(|(version, _)| *version >= OLDEST);
        newest.map(|(_, dir)| Self { dir }).ok_or_else(not_installed)
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn initdb(&self) -> PathBuf {
        self.program("initdb")
    }

    pub fn postgres(&self) -> PathBuf {
        self.program("postgres")
    }
}

/// Version and folder of each, the oldest first.
fn installed() -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = candidates().into_iter().filter_map(versioned).collect();
    found.sort_by_key(|(version, _)| *version);
    found
}

fn not_installed() -> ManagedError {
    ManagedError::NotInstalled { searched: "/usr/lib/postgresql/*/bin, /usr/pgsql-*/bin or PATH".into() }
}

/// The PATH (often links to a few programs only), then Red Hat's folders and Debian's, which have them all: of one version the
/// last is taken.
fn candidates() -> Vec<PathBuf> {
    let below = |parent: &str, prefix: &str, rest: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let named = entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix));
        named.map(|e| e.path().join(rest)).collect()
    };
    let path = env::var_os("PATH").unwrap_or_default();
    [env::split_paths(&path).collect(), below("/usr", "pgsql-", "bin"), below("/usr/lib/postgresql", "", "bin")]
        .concat()
}

/// The folder with its major version, if it holds the programs.
fn versioned(dir: PathBuf) -> Option<(u32, PathBuf)> {
    let (initdb, postgres) = (dir.join("initdb"), dir.join("postgres"));
    if !initdb.is_file() || !postgres.is_file() {
        return None;
    }
    // "postgres (PostgreSQL) 15.13 (Debian ...)"
    let output = std::process::Command::new(postgres).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())?;
    Some((version, dir))
}
