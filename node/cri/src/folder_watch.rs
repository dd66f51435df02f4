//! Waiting for changes in a folder, by inotify.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::{Path, PathBuf},
};

use nix::sys::inotify::{InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

pub use nix::sys::inotify::AddWatchFlags;

/// What tokio's reactor needs to wait for the descriptor.
#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// A folder that is being watched.
#[derive(Debug)]
pub struct FolderWatch {
    folder: PathBuf,
    changes: AsyncFd<Watch>,
}

impl FolderWatch {
    /// Watches an existing folder for these kinds of change. Nothing that happens after this is missed.
    pub fn open(folder: &Path, kinds: AddWatchFlags) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(folder, kinds)?;
        // SAFETY: the descriptor is owned by the watch, which nobody closes or changes while it is registered.
        let changes = unsafe { AsyncFd::register(Watch(inotify)) }?;
        Ok(Self { folder: folder.into(), changes })
    }

    /// Waits for changes; returns the files concerned. Cancel safe.
    pub async fn changed(&self) -> io::Result<Vec<PathBuf>> {
        loop {
            let mut ready = self.changes.readable().await?;
            if let Ok(events) = ready.try_io(|watch| watch.get_ref().0.read_events().map_err(io::Error::from)) {
                return Ok(events?.into_iter().filter_map(|event| event.name).map(|n| self.folder.join(n)).collect());
            }
        }
    }
}
