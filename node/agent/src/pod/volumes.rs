//! A pod's volumes: what each contains, and where on the node it lies.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use gantry_meta::Quantity;
use gantry_volumes::{
    File, Payload, PayloadError, PodFolders, VolumeError, atomic_writer, folders::create_folder, host_path, mounts,
    ownership, payload,
};
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, EmptyDirVolumeSource, ProjectedVolumeSource, Volume, VolumeProjection,
};
use thiserror::Error;

use super::{
    desired::DesiredPod,
    downward::{self, PodFacts},
};
use crate::references::ReferencedObjects;

/// Why a pod's volumes are not ready; shown in the event FailedMount.
#[derive(Debug, Error)]
pub enum SetUpError {
    #[error("MountVolume.SetUp failed for volume {volume:?} : {kind} {name:?} not found")]
    Missing { volume: String, kind: &'static str, name: String },
    #[error("MountVolume.SetUp failed for volume {volume:?} : {source}")]
    Payload { volume: String, source: PayloadError },
    #[error("MountVolume.SetUp failed for volume {volume:?} : {source}")]
    Volume { volume: String, source: VolumeError },
    #[error("MountVolume.SetUp failed for volume {volume:?} : unsupported field {field:?}")]
    Field { volume: String, field: String },
    #[error("MountVolume.SetUp failed for volume {volume:?} : no token for it: {message}")]
    Token { volume: String, message: String },
    #[error("MountVolume.SetUp failed for volume {volume:?} : volumes of this type are not supported by this node")]
    NotSupported { volume: String },
}

/// Where a volume lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountedVolume {
    pub path: PathBuf,
    pub read_only: bool,
}

/// A pod's volumes by name.
pub type MountedVolumes = HashMap<String, MountedVolume>;

/// Tokens of projected volumes by volume and path; fetched before the volumes are written.
pub type Tokens = BTreeMap<(String, String), String>;

/// What volumes are made from.
pub struct VolumeInput<'a> {
    pub pod: &'a DesiredPod,
    pub facts: &'a PodFacts,
    pub references: &'a dyn ReferencedObjects,
    pub tokens: &'a Tokens,
    pub folders: &'a PodFolders,
}

/// Sets all volumes up, or brings those made of files up to date. Idempotent. Blocks.
pub fn set_up(input: &VolumeInput<'_>) -> Result<MountedVolumes, SetUpError> {
    let volumes = input.pod.spec().volumes.iter().flatten();
    volumes.map(|volume| Ok((volume.name.clone(), set_up_one(input, volume)?))).collect()
}

fn set_up_one(input: &VolumeInput<'_>, volume: &Volume) -> Result<MountedVolume, SetUpError> {
    let failed = |source| SetUpError::Volume { volume: volume.name.clone(), source };
    if let Some(source) = &volume.host_path {
        let path = PathBuf::from(&source.path);
        host_path::prepare(&path, source.type_.as_deref().unwrap_or_default()).map_err(failed)?;
        return Ok(MountedVolume { path, read_only: false });
    }
    if let Some(source) = &volume.empty_dir {
        let path = empty_dir(input, volume, source).map_err(failed)?;
        return Ok(MountedVolume { path, read_only: false });
    }
    let (plugin, in_memory) = match volume {
        Volume { config_map: Some(_), .. } => ("configmap", false),
        Volume { secret: Some(_), .. } => ("secret", true),
        Volume { projected: Some(_), .. } => ("projected", true),
        Volume { downward_api: Some(_), .. } => ("downward-api", false),
        _ => return Err(SetUpError::NotSupported { volume: volume.name.clone() }),
    };
    let files = files_of(input, volume)?;
    let path = input.folders.volume(plugin, &volume.name);
    let made = if in_memory { mounts::mount_tmpfs(&path, 0o755, None) } else { create_folder(&path, 0o755) };
    made.and_then(|()| atomic_writer::write(&path, &files, fs_group(input.pod))).map_err(failed)?;
    Ok(MountedVolume { path, read_only: true })
}

fn fs_group(pod: &DesiredPod) -> Option<u32> {
    let group = pod.spec().security_context.as_ref().and_then(|context| context.fs_group)?;
    u32::try_from(group).ok()
}

fn empty_dir(input: &VolumeInput<'_>, volume: &Volume, source: &EmptyDirVolumeSource) -> Result<PathBuf, VolumeError> {
    let path = input.folders.volume("empty-dir", &volume.name);
    if path.exists() {
        return Ok(path);
    }
    let limit = source.size_limit.as_ref().and_then(|q| Quantity::parse(&q.0).ok()).map(|q| q.units());
    match source.medium.as_deref() {
        Some("Memory") => mounts::mount_tmpfs(&path, 0o777, limit.and_then(|bytes| u64::try_from(bytes).ok()))?,
        _ => create_folder(&path, 0o777)?,
    }
    if let Some(group) = fs_group(input.pod) {
        ownership::give_to_group(&path, group, false)?;
    }
    Ok(path)
}

/// The files of a volume that is made of files.
fn files_of(input: &VolumeInput<'_>, volume: &Volume) -> Result<Payload, SetUpError> {
    let maker = Maker { input, volume: &volume.name };
    if let Some(source) = &volume.config_map {
        let mode = payload::mode(source.default_mode, payload::DEFAULT_MODE);
        return maker.config_map(&source.name, source.items.as_deref(), mode, source.optional);
    }
    if let Some(source) = &volume.secret {
        let mode = payload::mode(source.default_mode, payload::DEFAULT_MODE);
        let name = source.secret_name.as_deref().unwrap_or_default();
        return maker.secret(name, source.items.as_deref(), mode, source.optional);
    }
    if let Some(source) = &volume.downward_api {
        let mode = payload::mode(source.default_mode, payload::DEFAULT_MODE);
        return maker.downward(source.items.as_deref().unwrap_or_default(), mode);
    }
    match &volume.projected {
        Some(source) => maker.projected(source),
        None => Err(SetUpError::NotSupported { volume: volume.name.clone() }),
    }
}

struct Maker<'a> {
    input: &'a VolumeInput<'a>,
    volume: &'a str,
}

type Items<'a> = Option<&'a [k8s_openapi::api::core::v1::KeyToPath]>;

impl Maker<'_> {
    fn missing(&self, kind: &'static str, name: &str, optional: bool) -> Result<Payload, SetUpError> {
        if optional {
            return Ok(Payload::new());
        }
        Err(SetUpError::Missing { volume: self.volume.into(), kind, name: name.into() })
    }

    fn checked(&self, payload: Result<Payload, PayloadError>) -> Result<Payload, SetUpError> {
        payload.map_err(|source| SetUpError::Payload { volume: self.volume.into(), source })
    }

    fn config_map(
        &self,
        name: &str,
        items: Items<'_>,
        mode: u32,
        optional: Option<bool>,
    ) -> Result<Payload, SetUpError> {
        let optional = optional.unwrap_or_default();
        match self.input.references.config_map(self.input.pod.namespace(), name) {
            Some(map) => self.checked(payload::from_config_map(&map, items, mode, optional)),
            None => self.missing("configmap", name, optional),
        }
    }

    fn secret(&self, name: &str, items: Items<'_>, mode: u32, optional: Option<bool>) -> Result<Payload, SetUpError> {
        let optional = optional.unwrap_or_default();
        match self.input.references.secret(self.input.pod.namespace(), name) {
            Some(secret) => self.checked(payload::from_secret(&secret, items, mode, optional)),
            None => self.missing("secret", name, optional),
        }
    }

    fn downward(&self, items: &[DownwardAPIVolumeFile], default_mode: u32) -> Result<Payload, SetUpError> {
        let mut files = Payload::new();
        for item in items {
            let path = payload::checked_path(&item.path)
                .map_err(|source| SetUpError::Payload { volume: self.volume.into(), source })?;
            let content = self.downward_value(item)?.into_bytes();
            files.insert(path, File { content, mode: payload::mode(item.mode, default_mode) });
        }
        Ok(files)
    }

    fn downward_value(&self, item: &DownwardAPIVolumeFile) -> Result<String, SetUpError> {
        let (pod, facts) = (self.input.pod, self.input.facts);
        let field = item.field_ref.as_ref();
        let resource = item.resource_field_ref.as_ref();
        let value = field
            .and_then(|f| downward::field(pod, facts, &f.field_path))
            .or_else(|| resource.and_then(|r| downward::resource_field(pod, None, facts, r)));
        let named = field.map(|f| f.field_path.clone()).or_else(|| resource.map(|r| r.resource.clone()));
        value.ok_or_else(|| SetUpError::Field { volume: self.volume.into(), field: named.unwrap_or_default() })
    }

    fn projected(&self, source: &ProjectedVolumeSource) -> Result<Payload, SetUpError> {
        let mode = payload::mode(source.default_mode, payload::DEFAULT_MODE);
        let mut files = Payload::new();
        for projection in source.sources.iter().flatten() {
            files.extend(self.projection(projection, mode)?);
        }
        Ok(files)
    }

    fn projection(&self, projection: &VolumeProjection, mode: u32) -> Result<Payload, SetUpError> {
        if let Some(source) = &projection.config_map {
            return self.config_map(&source.name, source.items.as_deref(), mode, source.optional);
        }
        if let Some(source) = &projection.secret {
            return self.secret(&source.name, source.items.as_deref(), mode, source.optional);
        }
        if let Some(source) = &projection.downward_api {
            return self.downward(source.items.as_deref().unwrap_or_default(), mode);
        }
        if let Some(source) = &projection.service_account_token {
            return self.token(&source.path, mode);
        }
        Err(SetUpError::NotSupported { volume: self.volume.into() })
    }

    fn token(&self, path: &str, mode: u32) -> Result<Payload, SetUpError> {
        let key = (self.volume.to_owned(), path.to_owned());
        let token = self
            .input
            .tokens
            .get(&key)
            .ok_or_else(|| SetUpError::Token { volume: self.volume.into(), message: "it was not requested".into() })?;
        let mode = if fs_group(self.input.pod).is_some() { 0o600 } else { mode };
        Ok(Payload::from([(path.to_owned(), File { content: token.clone().into_bytes(), mode })]))
    }
}
