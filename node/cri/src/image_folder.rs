//! A folder whose image archives are imported: those there at the start, and those that appear later.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    CriError,
    folder_watch::{AddWatchFlags, FolderWatch},
    import::ImageImporter,
};

/// Notices archives that are complete: closed after writing, or renamed into place.
#[derive(Debug)]
pub struct ImageFolder {
    folder: PathBuf,
    changes: FolderWatch,
}

impl ImageFolder {
    /// Creates the folder if need be and starts watching it.
    pub fn open(folder: &Path) -> Result<Self, CriError> {
        let watch = || -> io::Result<FolderWatch> {
            std::fs::create_dir_all(folder)?;
            FolderWatch::open(folder, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO)
        };
        let changes = watch().map_err(CriError::io(format!("watching {}", folder.display())))?;
        Ok(Self { folder: folder.into(), changes })
    }

    /// Imports what lies in the folder now. A broken archive is logged and does not stop the others.
    pub async fn import_present(&self, importer: &ImageImporter) -> Result<(), CriError> {
        let entries = std::fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut archives: Vec<PathBuf> = entries
            .map_err(CriError::io(format!("listing {}", self.folder.display())))?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        archives.sort();
        for archive in archives {
            import(importer, &archive).await;
        }
        Ok(())
    }

    /// Imports archives as they appear, until the future is dropped; `imported` is called after each. Ends only with an
    /// error of the watch itself.
    pub async fn follow(&self, importer: &ImageImporter, imported: impl Fn()) -> Result<(), CriError> {
        loop {
            for archive in self.changes.changed().await.map_err(CriError::io("reading changes of the image folder"))? {
                import(importer, &archive).await;
                imported();
            }
        }
    }
}

async fn import(importer: &ImageImporter, archive: &Path) {
    if !archive.extension().is_some_and(|e| e == "tar" || e == "gz" || e == "tgz") {
        return;
    }
    match importer.import(archive).await {
        Ok(names) => tracing::info!(archive = %archive.display(), ?names, "images imported"),
        Err(error) => tracing::warn!(archive = %archive.display(), %error, "the archive could not be imported"),
    }
}
