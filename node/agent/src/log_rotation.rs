//! Keeps container logs from filling the disk: a file that is too large is moved away, the runtime opens a new one, and
//! only the newest of those moved away are kept.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gantry_cri::{CriError, api};
use jiff::Timestamp;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::context::NodeContext;

const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
enum RotationError {
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error(transparent)]
    Runtime(#[from] CriError),
}

/// Looks at all logs of the node until `stop`.
pub async fn run(node: Arc<NodeContext>, stop: CancellationToken) {
    let work = async {
        loop {
            tokio::time::sleep(INTERVAL).await;
            for path in too_large(&node.folders.logs(), node.config.log_max_bytes) {
                if let Err(error) = rotate(&node, &path).await {
                    tracing::warn!(%error, "a container's log could not be rotated");
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Logs in `root/POD/CONTAINER/ATTEMPT.log` above the size.
fn too_large(root: &Path, max_bytes: u64) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries(root).collect::<Vec<_>>().into_iter().flat_map(|pod| entries(&pod).collect::<Vec<_>>());
    let files = files.flat_map(|container| entries(&container).collect::<Vec<_>>());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    files.filter(is_log).filter(|path| fs::metadata(path).is_ok_and(|m| m.len() > max_bytes)).collect()
}

async fn rotate(node: &NodeContext, path: &Path) -> Result<(), RotationError> {
    let Some(id) = running_container(node, path).await? else { return Ok(()) };
    let moved = PathBuf::from(format!("{}.{}", path.display(), Timestamp::now().strftime("%Y%m%d-%H%M%S")));
    fs::rename(path, &moved).map_err(|error| RotationError::Io(path.into(), error))?;
    if let Err(error) = node.runtime.reopen_container_log(&id).await {
        // The runtime still writes to the file that was moved: put it back.
        fs::rename(&moved, path).map_err(|error| RotationError::Io(moved, error))?;
        return Err(error.into());
    }
    remove_oldest(path, node.config.log_max_files).map_err(|error| RotationError::Io(path.into(), error))
}

/// The container that writes to this file.
async fn running_container(node: &NodeContext, path: &Path) -> Result<Option<String>, CriError> {
    let running = api::ContainerStateValue { state: api::ContainerState::ContainerRunning as i32 };
    let filter = api::ContainerFilter { state: Some(running), ..Default::default() };
    for container in node.runtime.list_containers(Some(filter)).await? {
        if node.owners.owner(&container.id).is_none() {
            continue;
        }
        let status = node.runtime.container_status(&container.id).await?;
        if Path::new(&status.log_path) == path {
            return Ok(Some(container.id));
        }
    }
    Ok(None)
}

/// Keeps `max_files` in all, the one that is written to among them.
fn remove_oldest(log: &Path, max_files: usize) -> io::Result<()> {
    let (Some(folder), Some(name)) = (log.parent(), log.file_name()) else { return Ok(()) };
    let prefix = format!("{}.", name.to_string_lossy());
    let mut rotated = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            rotated.push(entry.path());
        }
    }
    rotated.sort();
    let surplus = (rotated.len() + 1).saturating_sub(max_files.max(1));
    rotated.iter().take(surplus).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_logs_are_found_and_the_oldest_go_first() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("pod/main");
        fs::create_dir_all(&folder).expect("made");
        let log = folder.join("0.log");
        fs::write(&log, "12345").expect("written");
        for suffix in ["1", "2", "3"] {
            fs::write(folder.join(format!("0.log.{suffix}")), "old and large").expect("written");
        }
        assert_eq!(too_large(root.path(), 4), std::slice::from_ref(&log));
        assert!(too_large(root.path(), 5).is_empty());
        remove_oldest(&log, 3).expect("removed");
        assert!(!folder.join("0.log.1").exists() && folder.join("0.log.2").exists());
    }
}
