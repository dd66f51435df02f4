//! From a path that others may have written to bytes that nobody can change: checked, hashed, and copied to
//! `<sha256>.so` in the host's store. Only the copy is ever mapped, so replacing the original changes nothing, and a new
//! version has a new path (the dynamic loader matches by name and would give the old code otherwise).

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{errno::Errno, fcntl::OFlag, unistd::geteuid};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;

/// Larger than any plugin with full debug information.
pub const MODULE_BYTES_MAX: u64 = 256 << 20;

/// A module's bytes and their digest, in hexadecimal.
pub struct Image {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

/// Reads a module from a place that an operator named.
///
/// # Errors
/// The path is a link, not a file, too large, or not safely owned.
pub fn read(path: &Path) -> Result<Image, Refusal> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(|error| {
        if error.raw_os_error() == Some(Errno::ELOOP as i32) {
            Refusal::SymbolicLink
        } else {
            Refusal::Unreadable(error)
        }
    })?;
    // Of the open file, not of the path: nothing can be exchanged in between.
    check_owner(&file)?;
    let mut bytes = Vec::new();
    (&file).take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Refusal::Unreadable)?;
    if bytes.len() as u64 > MODULE_BYTES_MAX {
        return Err(Refusal::TooLarge(bytes.len() as u64, MODULE_BYTES_MAX));
    }
    let sha256 = hex::encode(Sha256::digest(&bytes));
    Ok(Image { bytes, sha256 })
}

fn check_owner(file: &File) -> Result<(), Refusal> {
    let metadata = file.metadata().map_err(Refusal::Unreadable)?;
    if !metadata.is_file() {
        return Err(Refusal::NotAFile);
    }
    if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
        return Err(Refusal::Owner(metadata.uid()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(Refusal::Writable(mode));
    }
    if metadata.len() > MODULE_BYTES_MAX {
        return Err(Refusal::TooLarge(metadata.len(), MODULE_BYTES_MAX));
    }
    Ok(())
}

/// Puts the image under its digest and returns that path. An image that is there already is not written again: the store
/// belongs to the host alone.
///
/// # Errors
/// The store cannot be written.
pub fn keep(store: &Path, image: &Image) -> Result<PathBuf, Refusal> {
    let target = store.join(format!("{}.so", image.sha256));
    if target.exists() {
        return Ok(target);
    }
    write_aside(store, &target, &image.bytes).map_err(|error| Refusal::Store(target.clone(), error))?;
    Ok(target)
}

fn write_aside(store: &Path, target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Named by process and thread: another one may be keeping the same image.
    let aside = store.join(format!(".{}-{:?}.tmp", std::process::id(), std::thread::current().id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o500))?;
    drop(file);
    std::fs::rename(&aside, target)
}

/// Makes the store's folder, for its owner alone.
///
/// # Errors
/// The folder cannot be made.
pub fn make_store(store: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(store)?;
    std::fs::set_permissions(store, Permissions::from_mode(0o700))
}
