//! Loads image archives (OCI layouts, `docker save`) into containerd, without a registry.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::{CriError, ImageClient, events::CRI_NAMESPACE, pause};

/// CRI learns of an imported image by an event of containerd, moments after the import.
const VISIBILITY_DEADLINE: Duration = Duration::from_secs(10);
/// An archive's index is small; more than this is not one.
const MAX_INDEX_BYTES: u64 = 4 << 20;

/// Imports archives into one containerd.
#[derive(Clone, Debug)]
pub struct ImageImporter {
    socket: PathBuf,
    images: ImageClient,
}

impl ImageImporter {
    pub fn new(socket: &Path, images: ImageClient) -> Self {
        Self { socket: socket.into(), images }
    }

    /// Makes sure that the pause image is there. `scratch` is a folder to write its archive to.
    pub async fn import_pause_image(&self, scratch: &Path) -> Result<(), CriError> {
        if self.images.image_status(pause::PAUSE_IMAGE).await?.is_some() {
            return Ok(());
        }
        let archive = scratch.join("pause.tar");
        pause::write_pause_archive(&archive).map_err(CriError::io("writing the pause image"))?;
        self.import(&archive).await?;
        std::fs::remove_file(&archive).map_err(CriError::io("removing the pause image's archive"))
    }

    /// Imports one archive unless all its images are there already. Returns their names once CRI shows them.
    pub async fn import(&self, archive: &Path) -> Result<Vec<String>, CriError> {
        let path = archive.to_owned();
        let listed = tokio::task::spawn_blocking(move || archived_images(&path)).await;
        let images = listed
            .map_err(|e| CriError::Process(format!("reading an archive: {e}")))?
            .map_err(CriError::io(format!("reading {}", archive.display())))?;
        if !self.all_present(&images).await? {
            self.run_ctr(archive).await?;
            self.until_visible(&images).await?;
        }
        Ok(images.into_iter().map(|image| image.name).collect())
    }

    async fn all_present(&self, images: &[ArchivedImage]) -> Result<bool, CriError> {
        for image in images {
            let found = self.images.image_status(&image.name).await?;
            if found.is_none_or(|f| f.id.strip_prefix("sha256:") != Some(image.config_digest.as_str())) {
                return Ok(false);
            }
        }
        Ok(!images.is_empty())
    }

    async fn run_ctr(&self, archive: &Path) -> Result<(), CriError> {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(&self.socket).args(["--namespace", CRI_NAMESPACE, "images", "import"]).arg(archive);
        let output = ctr.kill_on_drop(true).output().await.map_err(CriError::io("running ctr"))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(CriError::Process(format!("importing {}: {why}", archive.display())))
    }

    async fn until_visible(&self, images: &[ArchivedImage]) -> Result<(), CriError> {
        let deadline = Instant::now() + VISIBILITY_DEADLINE;
        while !self.all_present(images).await? && !images.is_empty() {
            if Instant::now() > deadline {
                let names: Vec<&str> = images.iter().map(|i| i.name.as_str()).collect();
                return Err(CriError::Process(format!("imported, but not to be found: {}", names.join(", "))));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// An image as an archive's docker manifest lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ArchivedImage {
    name: String,
    /// SHA-256 of the image's configuration in hex: what CRI calls the image's id.
    config_digest: String,
}

/// Images by docker's `manifest.json`. A layout without one (or compressed) lists nothing: it is imported each time.
fn archived_images(path: &Path) -> io::Result<Vec<ArchivedImage>> {
    for entry in tar::Archive::new(File::open(path)?).entries()? {
        let Ok(entry) = entry else { return Ok(Vec::new()) };
        if entry.path()?.as_ref() == Path::new("manifest.json") {
            let mut content = Vec::new();
            entry.take(MAX_INDEX_BYTES).read_to_end(&mut content)?;
            return Ok(listed_images(&serde_json::from_slice(&content).unwrap_or_default()));
        }
    }
    Ok(Vec::new())
}

fn listed_images(manifest: &Value) -> Vec<ArchivedImage> {
    let entries = manifest.as_array().map(Vec::as_slice).unwrap_or_default();
    let tagged = |entry: &Value| {
        let config = entry["Config"].as_str().unwrap_or_default();
        let file = config.rsplit('/').next().unwrap_or_default();
        let config_digest = file.strip_suffix(".json").unwrap_or(file).to_owned();
        let tags = entry["RepoTags"].as_array().cloned().unwrap_or_default();
        let names = tags.into_iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect::<Vec<_>>();
        names.into_iter().map(move |name| ArchivedImage { name, config_digest: config_digest.clone() })
    };
    entries.iter().flat_map(tagged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_of_ours_lists_its_image_with_the_id_that_cri_will_show() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pause.tar");
        pause::write_pause_archive(&path).expect("written");
        let images = archived_images(&path).expect("read");
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].name, pause::PAUSE_IMAGE);
        assert_eq!(images[0].config_digest.len(), 64);
    }

    #[test]
    fn a_docker_archive_names_its_configuration_with_a_suffix() {
        let manifest = serde_json::json!([{"Config": "abc.json", "RepoTags": ["a:1", "b:2"], "Layers": []}]);
        let expected = |name: &str| ArchivedImage { name: name.into(), config_digest: "abc".into() };
        assert_eq!(listed_images(&manifest), [expected("a:1"), expected("b:2")]);
    }
}
