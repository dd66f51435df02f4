//! A folder whose image archives are imported: those there at the start, and those that appear later.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::{Path, PathBuf},
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::{CriError, import::ImageImporter};

/// What tokio's reactor needs to wait for the descriptor.
#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Notices archives that are complete: closed after writing, or renamed into place.
#[derive(Debug)]
pub struct ImageFolder {
    folder: PathBuf,
    changes: AsyncFd<Watch>,
}

impl ImageFolder {
    /// Creates the folder if need be and starts watching it.
    pub fn open(folder: &Path) -> Result<Self, CriError> {
        let watch = || -> io::Result<AsyncFd<Watch>> {
            std::fs::create_dir_all(folder)?;
            let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
            inotify.add_watch(folder, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO)?;
            // SAFETY: the descriptor is owned by the watch, which nobody closes or changes while it is registered.
            Ok(unsafe { AsyncFd::register(Watch(inotify)) }?)
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
            for archive in self.appeared().await.map_err(CriError::io("reading changes of the image folder"))? {
                import(importer, &archive).await;
                imported();
            }
        }
    }

    async fn appeared(&self) -> io::Result<Vec<PathBuf>> {
        loop {
            let mut ready = self.changes.readable().await?;
            if let Ok(events) = ready.try_io(|watch| watch.get_ref().0.read_events().map_err(io::Error::from)) {
                return Ok(events?.into_iter().filter_map(|event| event.name).map(|n| self.folder.join(n)).collect());
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
