//! hostPath: a path of the node, checked or made as its `type` asks.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use crate::{VolumeError, folders::create_folder};

/// Checks that `path` is what `kind` (the volume's `type`; empty: no check) asks for, and makes it where the type says so.
pub fn prepare(path: &Path, kind: &str) -> Result<(), VolumeError> {
    match kind {
        "DirectoryOrCreate" if !path.exists() => return create_folder(path, 0o755),
        "FileOrCreate" if !path.exists() => {
            let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
            return made.map(|_| ()).map_err(VolumeError::io("creating", path));
        }
        _ => {}
    }
    let fits = |check: fn(&fs::FileType) -> bool| fs::metadata(path).is_ok_and(|m| check(&m.file_type()));
    let (ok, wanted) = match kind {
        "Directory" | "DirectoryOrCreate" => (fits(fs::FileType::is_dir), "a directory"),
        "File" | "FileOrCreate" => (fits(fs::FileType::is_file), "a file"),
        "Socket" => (fits(FileTypeExt::is_socket), "a socket"),
        "CharDevice" => (fits(FileTypeExt::is_char_device), "a character device"),
        "BlockDevice" => (fits(FileTypeExt::is_block_device), "a block device"),
        _ => (true, ""),
    };
    if ok { Ok(()) } else { Err(VolumeError::HostPathType(format!("{} is not {wanted}", path.display()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_checked_or_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new");
        assert!(prepare(&path, "Directory").is_err());
        prepare(&path, "DirectoryOrCreate").expect("made");
        prepare(&path, "Directory").expect("there");
        assert!(prepare(&path, "File").is_err());
        prepare(&folder.path().join("file"), "FileOrCreate").expect("made");
    }
}
