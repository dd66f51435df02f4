//! subPath: one file or folder of a volume, bound to a place of its own so that a container that changes links in the
//! volume cannot reach outside of it later.

use std::{
    fs,
    os::fd::AsRawFd,
    path::{Component, Path, PathBuf},
};

use crate::{VolumeError, folders::create_folder, mounts};

/// Binds `volume`/`sub_path` to `at`. An absent folder is made (mode 0750) if the volume is writable. Returns `at`.
pub fn bind(volume: &Path, sub_path: &str, at: &Path, writable: bool) -> Result<PathBuf, VolumeError> {
    let source = resolve(volume, sub_path, writable)?;
    // The descriptor pins what was checked; the path may be changed by a container from here on.
    let pinned = fs::File::open(&source).map_err(VolumeError::io("opening", &source))?;
    let is_folder = pinned.metadata().map_err(VolumeError::io("reading", &source))?.is_dir();
    if mounts::is_mount_point(at)? {
        mounts::unmount_below(at)?;
    }
    make_target(at, is_folder)?;
    mounts::bind(Path::new(&format!("/proc/self/fd/{}", pinned.as_raw_fd())), at)?;
    Ok(at.to_owned())
}

fn make_target(at: &Path, is_folder: bool) -> Result<(), VolumeError> {
    if is_folder {
        return create_folder(at, 0o755);
    }
    let parent = at.parent().unwrap_or(at);
    create_folder(parent, 0o755)?;
    fs::write(at, b"").map_err(VolumeError::io("creating", at))
}

/// The real path of a subPath, proven to lie in the volume.
fn resolve(volume: &Path, sub_path: &str, writable: bool) -> Result<PathBuf, VolumeError> {
    let plain = Path::new(sub_path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(VolumeError::SubPath(sub_path.into(), "must be relative and must not contain '..'"));
    }
    let root = volume.canonicalize().map_err(VolumeError::io("resolving", volume))?;
    let wanted = root.join(sub_path);
    if wanted.symlink_metadata().is_err() {
        if !writable {
            return Err(VolumeError::SubPath(sub_path.into(), "does not exist in the read-only volume"));
        }
        let existing = wanted.ancestors().find(|a| a.exists()).unwrap_or(&root);
        let real = existing.canonicalize().map_err(VolumeError::io("resolving", existing))?;
        inside(&root, &real, sub_path)?;
        create_folder(&wanted, 0o750)?;
    }
    let real = wanted.canonicalize().map_err(VolumeError::io("resolving", &wanted))?;
    inside(&root, &real, sub_path)?;
    Ok(real)
}

fn inside(root: &Path, path: &Path, sub_path: &str) -> Result<(), VolumeError> {
    if path.starts_with(root) { Ok(()) } else { Err(VolumeError::SubPath(sub_path.into(), "leaves its volume")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_volume_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let volume = folder.path().join("volume");
        fs::create_dir(&volume).expect("made");
        std::os::unix::fs::symlink("/etc", volume.join("out")).expect("linked");
        assert!(matches!(resolve(&volume, "out", true), Err(VolumeError::SubPath(..))));
        assert!(matches!(resolve(&volume, "out/made", true), Err(VolumeError::SubPath(..))));
        assert!(matches!(resolve(&volume, "../x", true), Err(VolumeError::SubPath(..))));
        assert!(resolve(&volume, "a/b", false).is_err(), "nothing is made in a read-only volume");
        assert!(resolve(&volume, "a/b", true).expect("made").ends_with("volume/a/b"));
    }
}
