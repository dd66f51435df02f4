//! A PostgreSQL of our own in a folder: for `gantry up` without `--database-url`, and for tests.
//!
//! The folder holds `data/` (the cluster), `socket/` (the only way in: no TCP) and `postgres.log`. The server runs as an
//! unprivileged user, also where we are root, and outlives us: whoever starts on the same folder later takes it over.
//! Durability is PostgreSQL's own: `fsync`, `full_page_writes` and `synchronous_commit` stay on.

mod account;
mod binaries;
mod cluster;
mod postmaster;
mod settings;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use account::Account;
use binaries::Binaries;
use postmaster::Postmaster;
use thiserror::Error;
use tokio::time::Instant;

pub use settings::ManagedOptions;

/// A program of the newest installed PostgreSQL, such as `pg_dump`.
///
/// # Errors
/// [`ManagedError::NotInstalled`].
pub fn program(name: &str) -> Result<PathBuf, ManagedError> {
    Ok(Binaries::newest()?.program(name))
}

/// How often the state of a starting or stopping server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Error)]
pub enum ManagedError {
    #[error("PostgreSQL 15 or later is not installed: no initdb in {searched} (on Debian: apt-get install postgresql)")]
    NotInstalled { searched: String },
    #[error("the database in {data} was made by PostgreSQL {made_by}, whose programs are not installed")]
    OtherVersion { data: PathBuf, made_by: String },
    #[error("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")]
    NoAccount,
    #[error("{account} cannot reach {folder}; let others search it (chmod o+x {folder}) or choose another data folder")]
    Unreachable { account: String, folder: PathBuf },
    #[error("{what} {path}")]
    Files {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    #[error("PostgreSQL did not become ready in {waited:?}; the end of {log}:\n{tail}")]
    NotReady { waited: Duration, log: PathBuf, tail: String },
    #[error("PostgreSQL (pid {pid}) did not stop in {waited:?}")]
    NotStopped { pid: u32, waited: Duration },
}

pub(crate) fn files(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ManagedError {
    let path = path.to_owned();
    move |source| ManagedError::Files { what, path, source }
}

/// A running server. Dropping this leaves it running.
#[derive(Debug)]
pub struct ManagedPostgres {
    pid: u32,
    url: String,
    dir: PathBuf,
    reused: bool,
}

impl ManagedPostgres {
    /// Starts the server of `dir`, making its database first if there is none, and returns once it answers. A server that
    /// runs there already is taken as it is.
    ///
    /// # Errors
    /// See [`ManagedError`]; each says what to do.
    pub async fn start(dir: &Path, options: &ManagedOptions) -> Result<Self, ManagedError> {
        let dir = std::path::absolute(dir).map_err(files("cannot resolve", dir))?;
        let layout = Layout::new(&dir);
        let deadline = Instant::now() + options.start_within;
        if let Some(running) = Postmaster::of(&layout.data) {
            running.ready(deadline).await.map_err(|()| layout.not_ready(options))?;
            return Ok(layout.handle(&running, true));
        }
        let account = Account::choose()?;
        layout.create(&account)?;
        let binaries = Binaries::find(&layout.data)?;
        cluster::create(&layout, &binaries, &account).await?;
        let postmaster = postmaster::start(&layout, &binaries, &account, options, deadline).await?;
        Ok(layout.handle(&postmaster, false))
    }

    /// The server that runs in `dir`, if one does.
    ///
    /// # Errors
    /// If the path cannot be resolved.
    pub fn running(dir: &Path) -> Result<Option<Self>, ManagedError> {
        let dir = std::path::absolute(dir).map_err(files("cannot resolve", dir))?;
        let layout = Layout::new(&dir);
        Ok(Postmaster::of(&layout.data).map(|running| layout.handle(&running, true)))
    }

    /// For sqlx and libpq: a socket in the folder, user `gantry`, database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of the postmaster. Changes when the server is started anew.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// True if the server ran already when this was asked for.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Where the server writes what it has to say.
    pub fn log(&self) -> PathBuf {
        Layout::new(&self.dir).log
    }

    /// Ends all sessions, writes a checkpoint and stops the server.
    ///
    /// # Errors
    /// [`ManagedError::NotStopped`] after a minute.
    pub async fn stop(self) -> Result<(), ManagedError> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let Some(postmaster) = Postmaster::of(&Layout::new(&self.dir).data) else { return Ok(()) };
        postmaster
            .stop(Instant::now() + PATIENCE)
            .await
            .map_err(|()| ManagedError::NotStopped { pid: postmaster.pid, waited: PATIENCE })
    }
}

/// Where things lie in the folder.
#[derive(Clone, Debug)]
struct Layout {
    dir: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

impl Layout {
    fn new(dir: &Path) -> Self {
        let (data, log) = (dir.join("data"), dir.join("postgres.log"));
        Self { dir: dir.to_owned(), data, socket: socket_folder(dir), log }
    }

    fn create(&self, account: &Account) -> Result<(), ManagedError> {
        fs::create_dir_all(&self.dir).map_err(files("cannot create", &self.dir))?;
        account.own(&self.dir, 0o700)?;
        match fs::create_dir(&self.socket) {
            // In a folder that everybody writes to, somebody else may have put a link there for us to give away.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => account.check_folder(&self.socket)?,
            made => made.map_err(files("cannot create", &self.socket))?,
        }
        account.own(&self.socket, 0o700)
    }

    fn handle(&self, postmaster: &Postmaster, reused: bool) -> ManagedPostgres {
        let url = format!("postgres://gantry@localhost/postgres?host={}", percent_encoded(&self.socket));
        ManagedPostgres { pid: postmaster.pid, url, dir: self.dir.clone(), reused }
    }

    fn not_ready(&self, options: &ManagedOptions) -> ManagedError {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(8).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        ManagedError::NotReady { waited: options.start_within, log: self.log.clone(), tail }
    }
}

/// In the folder, or, where the path would be longer than a socket's name may be (107 bytes), in the folder for temporary
/// files under a name made of the path.
fn socket_folder(dir: &Path) -> PathBuf {
    const NAME_MAX: usize = 107 - "/.s.PGSQL.5432.lock".len();
    let socket = dir.join("socket");
    if socket.as_os_str().len() <= NAME_MAX {
        return socket;
    }
    let name = gantry_storage::digest::mix(&dir.to_string_lossy(), gantry_storage::Revision::ZERO);
    std::env::temp_dir().join(format!("gantry-postgres-{name:016x}"))
}

fn percent_encoded(path: &Path) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to text cannot fail");
        }
        text
    })
}
