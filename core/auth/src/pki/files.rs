//! Keys on disk: written whole, readable by their owner alone.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::PkiError;

/// Writes a file with mode 0600, so that no reader ever sees half of it.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    write_atomically(path, content, 0o600)
}

/// Writes a file with mode 0644, so that no reader ever sees half of it.
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    write_atomically(path, content, 0o644)
}

fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<(), PkiError> {
    let at = |source| PkiError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08x}.new", rand::random::<u32>()));
    let new = path.with_file_name(name);
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(at)
}

/// `None`: there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File { path: path.to_owned(), source }),
    }
}
