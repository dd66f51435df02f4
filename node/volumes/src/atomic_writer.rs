//! Changes all files of a volume at once, while containers read them.
//!
//! Files lie in a folder with a unique name; `..data` links to it, and what users see are links through `..data`. A change
//! writes a new folder and renames a new `..data` over the old one. Readers see the old files or the new, never a mix.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{File, Payload, VolumeError, ownership};

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Makes `volume` contain exactly `payload`. Returns whether anything changed. `group` is the pod's fsGroup.
pub fn write(volume: &Path, payload: &Payload, group: Option<u32>) -> Result<bool, VolumeError> {
    let failed = || VolumeError::io("writing the volume", volume);
    let old = fs::read_link(volume.join(DATA)).ok();
    if let Some(old) = &old
        && holds(&volume.join(old), payload).map_err(failed())?
    {
        return Ok(false);
    }
    let fresh = fresh_folder_name();
    write_files(&volume.join(&fresh), payload).map_err(failed())?;
    if let Some(group) = group {
        ownership::give_to_group(volume, group, true)?;
    }
    swap(volume, &fresh).map_err(failed())?;
    link_visible_names(volume, payload).map_err(failed())?;
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old)).map_err(failed())?;
    }
    Ok(true)
}

fn fresh_folder_name() -> String {
    let now = jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S");
    format!("..{now}.{}", rand::random::<u32>())
}

fn write_files(folder: &Path, payload: &Payload) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for (path, file) in payload {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

fn swap(volume: &Path, fresh: &str) -> io::Result<()> {
    let new_data = volume.join(NEW_DATA);
    match fs::remove_file(&new_data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(fresh, &new_data)?;
    fs::rename(new_data, volume.join(DATA))
}

/// Links for the first part of every path; links of names that are gone are removed.
fn link_visible_names(volume: &Path, payload: &Payload) -> io::Result<()> {
    let wanted: BTreeSet<&str> = payload.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &wanted {
        if volume.join(name).symlink_metadata().is_err() {
            symlink(PathBuf::from(DATA).join(name), volume.join(name))?;
        }
    }
    for entry in fs::read_dir(volume)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(name.as_ref()) && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder holds the payload already. Modes count as equal if the wanted bits are there: an fsGroup adds some.
fn holds(folder: &Path, payload: &Payload) -> io::Result<bool> {
    let mut present = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let entries = match fs::read_dir(&current) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            present += 1;
            let path = entry.path();
            let name = path.strip_prefix(folder).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
            if !payload.get(&name).is_some_and(|file| same(&path, file)) {
                return Ok(false);
            }
        }
    }
    Ok(present == payload.len())
}

fn same(path: &Path, file: &File) -> bool {
    let mode = fs::metadata(path).map(|m| m.permissions().mode()).unwrap_or_default();
    mode & file.mode == file.mode && fs::read(path).is_ok_and(|content| content == file.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |content: &str| File { content: content.into(), mode: 0o644 };
        files.iter().map(|(path, content)| ((*path).into(), file(content))).collect()
    }

    fn read(folder: &Path, path: &str) -> String {
        fs::read_to_string(folder.join(path)).expect("readable")
    }

    #[test]
    fn a_change_appears_whole_and_names_that_are_gone_vanish() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let volume = folder.path();
        assert!(write(volume, &payload(&[("a", "1"), ("d/b", "2")]), None).expect("written"));
        assert_eq!((read(volume, "a"), read(volume, "d/b")), ("1".into(), "2".into()));
        let before = fs::read_link(volume.join(DATA)).expect("a link");
        assert!(write(volume, &payload(&[("a", "3"), ("c", "4")]), None).expect("written"));
        assert_eq!((read(volume, "a"), read(volume, "c")), ("3".into(), "4".into()));
        assert!(!volume.join("d").exists() && volume.join("d").symlink_metadata().is_err());
        assert!(!volume.join(before).exists(), "the old files are removed");
    }

    #[test]
    fn the_same_content_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = payload(&[("a", "1"), ("d/b", "2")]);
        assert!(write(folder.path(), &files, None).expect("written"));
        let before = fs::read_link(folder.path().join(DATA)).expect("a link");
        assert!(!write(folder.path(), &files, None).expect("written"));
        assert_eq!(fs::read_link(folder.path().join(DATA)).expect("a link"), before);
        assert!(!write(folder.path(), &files, None).expect("written"));
    }

    #[test]
    fn a_file_in_a_folder_that_is_left_empty_is_a_change() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(write(folder.path(), &payload(&[("a", "1")]), None).expect("written"));
        assert!(write(folder.path(), &Payload::new(), None).expect("written"));
        assert!(folder.path().join("a").symlink_metadata().is_err());
    }
}
