//! Writes container images as archives: an OCI image layout that also carries docker's `manifest.json`, so that
//! containerd, docker and podman all load it.
//!
//! Archives are reproducible: same content, same bytes (times are zero, owners root, order as given).
//!
//! ```no_run
//! use gantry_cri::oci_archive::{ImageBuilder, Layer};
//! # fn main() -> std::io::Result<()> {
//! let mut layer = Layer::new();
//! layer.directory("tmp", 0o1777)?.file("bin/busybox", 0o755, &std::fs::read("/bin/busybox")?)?.symlink("bin/sh", "busybox")?;
//! ImageBuilder::new("example.local/busybox:1").layer(layer).env("PATH", "/bin").cmd(["sh"]).write_to("busybox.tar".as_ref())?;
//! # Ok(()) }
//! ```

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Component, Path},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One layer of a root file system: a tar archive in the making. Parent directories are added as needed, mode 0755.
pub struct Layer {
    archive: tar::Builder<Vec<u8>>,
    directories: BTreeSet<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    pub fn new() -> Self {
        Self { archive: tar::Builder::new(Vec::new()), directories: BTreeSet::new() }
    }

    /// A file with content. `path` is relative to the root.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<&mut Self> {
        self.entry(path, mode, 0, tar::EntryType::Regular, content)
    }

    /// A file with an owner: uid and gid are the same number.
    pub fn file_owned_by(&mut self, path: &str, mode: u32, id: u64, content: &[u8]) -> io::Result<&mut Self> {
        self.entry(path, mode, id, tar::EntryType::Regular, content)
    }

    pub fn directory(&mut self, path: &str, mode: u32) -> io::Result<&mut Self> {
        self.directories.insert(path.trim_end_matches('/').to_owned());
        self.entry(path, mode, 0, tar::EntryType::Directory, &[])
    }

    /// A symbolic link at `path` whose text is `target`.
    pub fn symlink(&mut self, path: &str, target: &str) -> io::Result<&mut Self> {
        self.parents(path)?;
        let mut header = header(0o777, 0, tar::EntryType::Symlink, 0);
        self.archive.append_link(&mut header, path, target)?;
        Ok(self)
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        owner: u64,
        kind: tar::EntryType,
        content: &[u8],
    ) -> io::Result<&mut Self> {
        self.parents(path)?;
        let mut header = header(mode, owner, kind, content.len() as u64);
        self.archive.append_data(&mut header, path, content)?;
        Ok(self)
    }

    fn parents(&mut self, path: &str) -> io::Result<()> {
        let parts: Vec<_> = Path::new(path).components().collect();
        if parts.iter().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path}: not a plain relative path")));
        }
        for depth in 1..parts.len() {
            let parent: std::path::PathBuf = parts[..depth].iter().collect();
            let parent = parent.to_string_lossy().into_owned();
            if self.directories.insert(parent.clone()) {
                let mut header = header(0o755, 0, tar::EntryType::Directory, 0);
                self.archive.append_data(&mut header, &parent, io::empty())?;
            }
        }
        Ok(())
    }
}

fn header(mode: u32, owner: u64, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(size);
    header
}

struct Blob {
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        Self { digest: hex::encode(Sha256::digest(&content)), content }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{}", self.digest), "size": self.content.len()})
    }
}

/// An image for this machine's architecture: layers and how to run them.
pub struct ImageBuilder {
    name: String,
    layers: Vec<Layer>,
    config: serde_json::Map<String, Value>,
    env: Vec<String>,
}

impl ImageBuilder {
    /// `name` is the full reference under which the image will be found, `registry/repository:tag`.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), layers: Vec::new(), config: serde_json::Map::new(), env: Vec::new() }
    }

    /// Adds a layer on top of those before.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    #[must_use]
    pub fn entrypoint<const N: usize>(self, words: [&str; N]) -> Self {
        self.set("Entrypoint", json!(words.as_slice()))
    }

    #[must_use]
    pub fn cmd<const N: usize>(self, words: [&str; N]) -> Self {
        self.set("Cmd", json!(words.as_slice()))
    }

    /// `uid`, `uid:gid` or a name from the image's `/etc/passwd`.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.set("User", json!(user))
    }

    #[must_use]
    pub fn working_dir(self, path: &str) -> Self {
        self.set("WorkingDir", json!(path))
    }

    /// The signal that asks the main process to end, such as `SIGQUIT`.
    #[must_use]
    pub fn stop_signal(self, signal: &str) -> Self {
        self.set("StopSignal", json!(signal))
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.into(), value);
        self
    }

    /// Writes the archive under a temporary name and renames it, so that who watches the folder sees it complete.
    pub fn write_to(self, path: &Path) -> io::Result<()> {
        let partial = path.with_extension("partial");
        let mut file = BufWriter::new(File::create(&partial)?);
        self.write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&partial, path)
    }

    /// Writes the archive.
    pub fn write(mut self, out: impl Write) -> io::Result<()> {
        let layers = self.take_layers()?;
        let config = Blob::new(serde_json::to_vec(&self.image_config(&layers))?);
        let manifest = Blob::new(serde_json::to_vec(&oci_manifest(&config, &layers))?);
        let mut archive = tar::Builder::new(out);
        let mut put = |path: &str, content: &[u8]| {
            let mut header = header(0o644, 0, tar::EntryType::Regular, content.len() as u64);
            archive.append_data(&mut header, path, content)
        };
        put("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        put("index.json", &serde_json::to_vec(&self.index(&manifest))?)?;
        put("manifest.json", &serde_json::to_vec(&self.docker_manifest(&config, &layers))?)?;
        for blob in layers.iter().chain([&config, &manifest]) {
            put(&blob.path(), &blob.content)?;
        }
        archive.into_inner()?.flush()
    }

    fn take_layers(&mut self) -> io::Result<Vec<Blob>> {
        std::mem::take(&mut self.layers).into_iter().map(|layer| layer.archive.into_inner().map(Blob::new)).collect()
    }

    fn image_config(&self, layers: &[Blob]) -> Value {
        let mut config = self.config.clone();
        config.insert("Env".into(), json!(self.env));
        let diff_ids: Vec<String> = layers.iter().map(|l| format!("sha256:{}", l.digest)).collect();
        json!({
            "architecture": oci_architecture(), "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
    }

    fn index(&self, manifest: &Blob) -> Value {
        let mut descriptor = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        descriptor["annotations"] =
            json!({"io.containerd.image.name": self.name, "org.opencontainers.image.ref.name": tag});
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [descriptor]})
    }

    fn docker_manifest(&self, config: &Blob, layers: &[Blob]) -> Value {
        let layers: Vec<String> = layers.iter().map(Blob::path).collect();
        json!([{"Config": config.path(), "RepoTags": [self.name], "Layers": layers}])
    }
}

/// The architecture of this machine as OCI names it.
pub fn oci_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn oci_manifest(config: &Blob, layers: &[Blob]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|l| l.descriptor("application/vnd.oci.image.layer.v1.tar")).collect();
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor("application/vnd.oci.image.config.v1+json"), "layers": layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut layer = Layer::new();
        layer.file("a/b/hello", 0o644, b"hi").unwrap().symlink("a/link", "b/hello").unwrap();
        let mut out = Vec::new();
        ImageBuilder::new("test.local/hello:1").layer(layer).env("A", "b").cmd(["/a/b/hello"]).write(&mut out).unwrap();
        out
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert_eq!(archive(), archive());
    }

    #[test]
    fn every_blob_lies_under_its_digest_and_parents_come_first() {
        let bytes = archive();
        let mut blobs = 0;
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Some(digest) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(digest, hex::encode(Sha256::digest(&content)));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3, "layer, config, manifest");
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        assert!(Layer::new().file("../etc/passwd", 0o644, b"").is_err());
        assert!(Layer::new().file("/etc/passwd", 0o644, b"").is_err());
    }
}
