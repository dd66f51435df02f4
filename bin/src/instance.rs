//! One `up` to a data folder: an advisory lock that dies with its holder, and the pid of who holds it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use gantry_base::DataDir;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Held as long as the instance runs.
#[derive(Debug)]
pub struct InstanceLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

fn lock_file(dir: &DataDir) -> Result<(PathBuf, File)> {
    let path = dir.run().join("up.lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    Ok((path.clone(), file.with_context(|| format!("cannot open {}", path.display()))?))
}

fn pid_in(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl InstanceLock {
    /// # Errors
    /// If another process has it: the error names its pid.
    pub fn take(dir: &DataDir) -> Result<Self> {
        let (path, file) = lock_file(dir)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0)?;
                lock.rewind()?;
                writeln!(lock, "{}", std::process::id())?;
                Ok(Self(lock))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let holder = pid_in(&mut file).map_or_else(String::new, |pid| format!(" (pid {pid})"));
                bail!("{} is in use by another `gantry up`{holder}; end it with `gantry down`", dir.path().display())
            }
            Err((_, errno)) => Err(errno).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// Asks the running instance to end and waits until it has. `false`: none was running.
///
/// # Errors
/// If it cannot be signalled or waited for.
pub fn stop_running(dir: &DataDir) -> Result<bool> {
    let (path, file) = lock_file(dir)?;
    let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(_) => return Ok(false),
        Err((file, Errno::EWOULDBLOCK)) => file,
        Err((_, errno)) => return Err(errno).with_context(|| format!("cannot lock {}", path.display())),
    };
    let pid = pid_in(&mut file).with_context(|| format!("{} names no pid", path.display()))?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).with_context(|| format!("cannot signal pid {pid}"))?;
    // The kernel hands us the lock at the moment the process is gone.
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("cannot wait for it to end")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_and_told_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path()).unwrap();
        dir.create().unwrap();
        let first = InstanceLock::take(&dir).unwrap();
        let refused = InstanceLock::take(&dir).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
        drop(first);
        InstanceLock::take(&dir).unwrap();
    }

    #[test]
    fn nothing_to_stop_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path()).unwrap();
        dir.create().unwrap();
        assert!(!stop_running(&dir).unwrap());
    }
}
