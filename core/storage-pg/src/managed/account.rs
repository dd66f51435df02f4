//! Who PostgreSQL runs as: us, or an unprivileged user where we are root.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use nix::unistd::{Uid, User};
use tokio::process::Command;

use super::{ManagedError, files};

/// See the module. `None`: we are not root, and it runs as us.
#[derive(Clone, Debug)]
pub(super) struct Account(Option<User>);

impl Account {
    pub fn choose() -> Result<Self, ManagedError> {
        if !Uid::effective().is_root() {
            return Ok(Self(None));
        }
        // The Debian package makes `postgres`; `nobody` is everywhere.
        let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        known.map(|user| Self(Some(user))).ok_or(ManagedError::NoAccount)
    }

    /// Gives a folder to the account.
    pub fn own(&self, path: &Path, mode: u32) -> Result<(), ManagedError> {
        if let Some(user) = &self.0 {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(files("cannot give away", path))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(files("cannot protect", path))
    }

    /// Refuses a folder that is there already and is a link, no folder, or somebody else's.
    pub fn check_folder(&self, path: &Path) -> Result<(), ManagedError> {
        let found = fs::symlink_metadata(path).map_err(files("cannot look at", path))?;
        let ours = [Some(Uid::effective()), self.0.as_ref().map(|user| user.uid)];
        if found.is_dir() && ours.contains(&Some(Uid::from_raw(found.uid()))) {
            return Ok(());
        }
        let why = "there is something of somebody else; remove it";
        Err(files("cannot use", path)(io::Error::new(io::ErrorKind::PermissionDenied, why)))
    }

    /// A command that runs as the account, in `dir`, in a process group of its own (a Ctrl-C at our terminal is not for it).
    pub fn command(&self, program: &Path, dir: &Path) -> Result<Command, ManagedError> {
        let mut command = match self.barred_from(dir) {
            None => Command::new(program),
            Some(folder) => self.reaching_command(program, folder)?,
        };
        if let Some(user) = self.0.as_ref().filter(|_| self.barred_from(dir).is_none()) {
            // The standard library drops supplementary groups too when root sets a user.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command.env("LC_ALL", "C").env_remove("PGDATA").current_dir("/").process_group(0);
        Ok(command)
    }

    /// The first folder above `dir` that the account may not pass through, such as `/root`.
    fn barred_from<'a>(&self, dir: &'a Path) -> Option<&'a Path> {
        let user = self.0.as_ref()?;
        let passes = |folder: &Path| {
            let Ok(found) = fs::metadata(folder) else { return true };
            let shift = match (found.uid() == user.uid.as_raw(), found.gid() == user.gid.as_raw()) {
                (true, _) => 6,
                (false, true) => 3,
                (false, false) => 0,
            };
            found.mode() >> shift & 0o1 != 0
        };
        dir.ancestors().skip(1).find(|folder| !passes(folder))
    }

    /// Lets the account pass through folders that bar it, without opening them to anyone else: it keeps the one capability
    /// to search and read (never to write) across permissions. `setpriv` is part of util-linux.
    fn reaching_command(&self, program: &Path, folder: &Path) -> Result<Command, ManagedError> {
        let user = self.0.as_ref().expect("only a foreign account is barred");
        let setpriv = Path::new("/usr/bin/setpriv");
        if !setpriv.exists() {
            return Err(ManagedError::Unreachable { account: user.name.clone(), folder: folder.to_owned() });
        }
        let mut command = Command::new(setpriv);
        command.args([&format!("--reuid={}", user.uid), &format!("--regid={}", user.gid)]);
        command.args(["--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]);
        command.arg(program);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_place_of_our_folder_is_refused() {
        let (folder, account) = (tempfile::tempdir().expect("a folder"), Account::choose().expect("an account"));
        account.check_folder(folder.path()).expect("our own");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).expect("a link");
        assert!(account.check_folder(&link).expect_err("a link").to_string().contains("link"));
    }
}
