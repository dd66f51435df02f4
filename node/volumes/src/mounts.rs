//! Mounts in the daemon's mount namespace, which containerd shares.

use std::{
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{VolumeError, folders::create_folder};

/// Makes `path` a memory file system, unless it is a mount already. `size_bytes` of `None`: half of the memory.
pub fn mount_tmpfs(path: &Path, mode: u32, size_bytes: Option<u64>) -> Result<(), VolumeError> {
    create_folder(path, mode)?;
    if is_mount_point(path)? {
        return Ok(());
    }
    let size = size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let options = format!("mode={mode:o}{size}");
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
        .map_err(VolumeError::errno("mounting a tmpfs on", path))
}

/// Shows `from` at `to`, which must exist as the same kind of file.
pub fn bind(from: &Path, to: &Path) -> Result<(), VolumeError> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(VolumeError::errno("bind-mounting to", to))
}

/// All mount points at or below `root`, deepest first.
pub fn mount_points_below(root: &Path) -> Result<Vec<PathBuf>, VolumeError> {
    let table = "/proc/self/mountinfo";
    let text = fs::read(table).map_err(VolumeError::io("reading", table))?;
    let mut points: Vec<PathBuf> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(unescaped)
        .filter(|point| point.starts_with(root))
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    Ok(points)
}

pub fn is_mount_point(path: &Path) -> Result<bool, VolumeError> {
    Ok(mount_points_below(path)?.iter().any(|point| point == path))
}

/// Detaches every mount at or below `root`.
pub fn unmount_below(root: &Path) -> Result<(), VolumeError> {
    for point in mount_points_below(root)? {
        umount2(&point, MntFlags::MNT_DETACH).map_err(VolumeError::errno("unmounting", &point))?;
    }
    Ok(())
}

/// mountinfo writes blanks, tabs, newlines and backslashes as `\ooo`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3)).flatten();
        let escaped = octal.and_then(|o| std::str::from_utf8(o).ok()).and_then(|o| u8::from_str_radix(o, 8).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_mount_points_are_read_back() {
        assert_eq!(unescaped(br"/a\040b\134c"), PathBuf::from(r"/a b\c"));
        assert_eq!(unescaped(br"/plain\9"), PathBuf::from(r"/plain\9"));
    }
}
