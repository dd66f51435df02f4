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
        let mut found: Vec<(u32, PathBuf)> = candidates().into_iter().filter_map(versioned).collect();
        found.sort();
        let Some(made_by) = made_by else {
            let newest = found.pop().filter(|(version, _)| *version >= OLDEST);
            return newest.map(|(_, dir)| Self { dir }).ok_or_else(not_installed);
        };
        let same = found.into_iter().find(|(version, _)| made_by == version.to_string());
        same.map(|(_, dir)| Self { dir }).ok_or(ManagedError::OtherVersion { data: data.to_owned(), made_by })
    }

    pub fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }

    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }
}

fn not_installed() -> ManagedError {
    ManagedError::NotInstalled { searched: "/usr/lib/postgresql/*/bin, /usr/pgsql-*/bin or PATH".into() }
}

/// Debian's folders, Red Hat's, and the PATH.
fn candidates() -> Vec<PathBuf> {
    let below = |parent: &str, prefix: &str, rest: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let named = entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix));
        named.map(|e| e.path().join(rest)).collect()
    };
    let path = env::var_os("PATH").unwrap_or_default();
    [below("/usr/lib/postgresql", "", "bin"), below("/usr", "pgsql-", "bin"), env::split_paths(&path).collect()]
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
