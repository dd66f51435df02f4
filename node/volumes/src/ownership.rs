//! `fsGroup`: a group that may use a volume whatever user a container runs as.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use crate::VolumeError;

/// Gives everything below `root` to `group`, readable (and unless `read_only` writable) for it; folders pass the group on
/// to what is made in them.
pub fn give_to_group(root: &Path, group: u32, read_only: bool) -> Result<(), VolumeError> {
    let wanted = if read_only { 0o440 } else { 0o660 };
    walk(root, group, wanted).map_err(VolumeError::io("giving to the fsGroup", root))
}

fn walk(path: &Path, group: u32, file_bits: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return std::os::unix::fs::lchown(path, None, Some(group));
    }
    chown(path, None, Some(group))?;
    let extra = if metadata.is_dir() { file_bits | 0o2110 } else { file_bits };
    fs::set_permissions(path, fs::Permissions::from_mode(metadata.permissions().mode() & 0o7777 | extra))?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), group, file_bits)?;
        }
    }
    Ok(())
}
