//! One daemon to a node's folder: an advisory lock that dies with its holder.
//!
//! A daemon whose `up` was killed lives on and goes on looking after its pods. The one that comes next takes over from it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A daemon that was asked to end is killed after this long.
const GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Held as long as the daemon runs.
#[derive(Debug)]
pub struct NodeLock(Flock<File>);

impl NodeLock {
    /// Ends the daemon that has the folder, if there is one, and takes its place. Blocks.
    ///
    /// # Errors
    /// If the lock file cannot be used, or the other daemon not be signalled.
    pub fn take(data_dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
        let path = data_dir.join("node.lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let started = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Self(lock).signed(),
                Err((held, Errno::EWOULDBLOCK)) => file = held,
                Err((_, errno)) => return Err(errno).with_context(|| format!("cannot lock {}", path.display())),
            }
            let signal = if started.elapsed() < GRACE { Signal::SIGTERM } else { Signal::SIGKILL };
            end_holder(&mut file, signal)?;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn signed(mut self) -> Result<Self> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{}", std::process::id())?;
        Ok(self)
    }
}

/// Ends a daemon that an instance left behind. Containers stay.
///
/// # Errors
/// As [`NodeLock::take`].
pub fn end_leftover(data_dir: &Path) -> Result<()> {
    NodeLock::take(data_dir).map(drop)
}

/// One that has just taken the lock may not have signed it yet: the next look finds it.
fn end_holder(file: &mut File, signal: Signal) -> Result<()> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let Ok(pid) = text.trim().parse::<i32>() else { return Ok(()) };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("cannot end the node daemon with pid {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_daemon_that_comes_next_ends_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.lock");
        // flock(1) hands its lock on to the shell, which signs it as a daemon does.
        let script = format!("echo $$ > {0}; exec sleep 1000", path.display());
        let mut before = Command::new("flock").arg("--no-fork").arg(&path).args(["sh", "-c", &script]).spawn().unwrap();
        while std::fs::read_to_string(&path).unwrap_or_default().is_empty() {
            std::thread::yield_now();
        }
        let lock = NodeLock::take(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
        assert!(!before.wait().unwrap().success());
        drop(lock);
        end_leftover(folder.path()).unwrap();
    }
}
