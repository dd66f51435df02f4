//! Volume sources that pods and persistent volumes share: what each requires, and the form of its parts.
//!
//! A persistent volume has no namespace, so that what it refers to names one.

use std::sync::LazyLock;

use gantry_kinds::{
    FieldName,
    fields::core_v1::{
        AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, CSIPersistentVolumeSource, CinderVolumeSource,
        FCVolumeSource, FlexVolumeSource, FlockerVolumeSource, GCEPersistentDiskVolumeSource, HostPathVolumeSource,
        ISCSIVolumeSource, NFSVolumeSource, QuobyteVolumeSource, SecretReference, StorageOSVolumeSource,
    },
};
use regex::Regex;

use super::{numbers, paths};
use crate::{
    field::{Causes, Field},
    names,
};

const PARTITION_MAX: i64 = 255;
const LUN_MAX: i64 = 255;
const TENANT_MAX_BYTES: usize = 64;
const DRIVER_MAX_BYTES: usize = 63;
/// Longest `NAME:PORTAL` of a volume whose initiator has a name.
const ISCSI_PATH_MAX_BYTES: usize = 64;
const DISK_KINDS: [&str; 3] = ["Dedicated", "Managed", "Shared"];
const MANAGED_DISK: &str =
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
const BLOB_DISK: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
/// Secrets that a persistent volume's CSI source refers to.
const CSI_SECRETS: [FieldName; 4] = [
    CSIPersistentVolumeSource::CONTROLLER_PUBLISH_SECRET_REF,
    CSIPersistentVolumeSource::CONTROLLER_EXPAND_SECRET_REF,
    CSIPersistentVolumeSource::NODE_PUBLISH_SECRET_REF,
    CSIPersistentVolumeSource::NODE_EXPAND_SECRET_REF,
];

/// The name under which the reference reports a source that is one too many.
pub fn surplus<'a>(source: &Field<'a>, member: FieldName) -> Field<'a> {
    match member.as_str() {
        "cephfs" => source.renamed("cephFS"),
        "downwardAPI" => source.renamed("downwarAPI"),
        _ => source.clone(),
    }
}

/// [`Causes::required`] for each of the members that is empty.
pub fn required(source: &Field<'_>, members: &[FieldName], causes: &mut Causes) {
    for member in members {
        causes.require(&source.member(*member));
    }
}

/// A path on the node, and what is expected there.
pub fn host_path(source: &Field<'_>, causes: &mut Causes) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let path = source.member(HostPathVolumeSource::PATH);
    if causes.require(&path) {
        paths::no_backsteps(&path, causes);
        causes.one_of(&source.member(HostPathVolumeSource::TYPE), &TYPES);
    }
}

/// A disk of Google's cloud, which the reference calls `persistentDisk`.
pub fn persistent_disk(source: &Field<'_>, causes: &mut Causes) {
    let source = source.renamed("persistentDisk");
    required(&source, &[GCEPersistentDiskVolumeSource::PD_NAME], causes);
    numbers::in_range(&source.member(GCEPersistentDiskVolumeSource::PARTITION), 0, PARTITION_MAX, causes);
}

/// A disk of Amazon's cloud.
pub fn elastic_block_store(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[AWSElasticBlockStoreVolumeSource::VOLUME_ID], causes);
    numbers::in_range(&source.member(AWSElasticBlockStoreVolumeSource::PARTITION), 0, PARTITION_MAX, causes);
}

/// A share of an NFS server.
pub fn nfs(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[NFSVolumeSource::SERVER, NFSVolumeSource::PATH], causes);
    if !source.member(NFSVolumeSource::PATH).text().starts_with('/') {
        causes.invalid(&source.member(NFSVolumeSource::PATH), "must be an absolute path");
    }
}

/// True for a name of the form `iqn.2001-04.com.example:disk`, `eui.` and 16 or `naa.` and 32 characters.
fn is_iscsi_name(text: &str) -> bool {
    static IQN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^iqn\.[0-9]{4}-[0-9]{2}\.[[:alnum:]\-.]+:[^,;*&$|\s]+$"));
    static EUI: LazyLock<Regex> = LazyLock::new(|| pattern("^eui.[[:alnum:]]{16}$"));
    static NAA: LazyLock<Regex> = LazyLock::new(|| pattern("^naa.[[:alnum:]]{32}$"));
    [&IQN, &EUI, &NAA].iter().any(|form| form.is_match(text))
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("patterns of this file are well-formed")
}

/// A disk by iSCSI.
pub fn iscsi(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[ISCSIVolumeSource::TARGET_PORTAL], causes);
    iscsi_target(source, causes);
    iscsi_initiator(source, causes);
}

/// As [`iscsi`], for the persistent volume `name`.
pub fn persistent_iscsi(source: &Field<'_>, name: &str, causes: &mut Causes) {
    required(source, &[ISCSIVolumeSource::TARGET_PORTAL], causes);
    if is_iscsi_path_too_long(source, name) {
        causes.invalid(
            &source.member_as(ISCSIVolumeSource::TARGET_PORTAL, "targetportal"),
            "too long with the volume's name",
        );
    }
    iscsi_target(source, causes);
    secret_reference(source, &[SecretReference::NAME], causes);
    iscsi_initiator(source, causes);
}

/// Whether name and portal do not fit what an initiator with a name of its own can log in to.
pub fn is_iscsi_path_too_long(source: &Field<'_>, name: &str) -> bool {
    let bytes = name.len() + 1 + source.member(ISCSIVolumeSource::TARGET_PORTAL).text().len();
    source.member(ISCSIVolumeSource::INITIATOR_NAME).is_set() && bytes > ISCSI_PATH_MAX_BYTES
}

fn iscsi_target(source: &Field<'_>, causes: &mut Causes) {
    let iqn = source.member(ISCSIVolumeSource::IQN);
    if causes.require(&iqn) && !is_iscsi_name(iqn.text()) {
        causes.invalid(&iqn, "must be valid format");
    }
    numbers::in_range(&source.member(ISCSIVolumeSource::LUN), 0, LUN_MAX, causes);
    let authenticates = source.member(ISCSIVolumeSource::CHAP_AUTH_DISCOVERY).flag()
        || source.member(ISCSIVolumeSource::CHAP_AUTH_SESSION).flag();
    if authenticates && !source.member(ISCSIVolumeSource::SECRET_REF).is_set() {
        causes.required(&source.member(ISCSIVolumeSource::SECRET_REF));
    }
}

fn iscsi_initiator(source: &Field<'_>, causes: &mut Causes) {
    let initiator = source.member_as(ISCSIVolumeSource::INITIATOR_NAME, "initiatorname");
    if initiator.is_set() && !is_iscsi_name(initiator.text()) {
        causes.invalid(&initiator, "must be valid format");
    }
}

/// `secretRef`, if given, has these members.
pub fn secret_reference(source: &Field<'_>, members: &[FieldName], causes: &mut Causes) {
    let reference = source.member(CinderVolumeSource::SECRET_REF);
    if reference.is_set() {
        required(&reference, members, causes);
    }
}

/// A disk by Fibre Channel: by world wide names and unit, or by world wide identifiers.
pub fn fibre_channel(source: &Field<'_>, causes: &mut Causes) {
    let (names, ids, lun) = (
        source.member(FCVolumeSource::TARGET_WWNS),
        source.member(FCVolumeSource::WWIDS),
        source.member(FCVolumeSource::LUN),
    );
    match (names.is_empty(), ids.is_empty()) {
        (true, true) => causes.required(&names),
        (false, false) => causes.invalid(&names, "targetWWNs and wwids can not be specified simultaneously"),
        _ => {}
    }
    if !names.is_empty() {
        match lun.is_set() {
            true => numbers::in_range(&lun, 0, LUN_MAX, causes),
            false => causes.required(&lun),
        }
    }
}

/// A volume of Quobyte: registries as `HOST:PORT`, comma-separated.
pub fn quobyte(source: &Field<'_>, causes: &mut Causes) {
    let registry = source.member(QuobyteVolumeSource::REGISTRY);
    if causes.require(&registry) {
        registries(&registry, &source.member(QuobyteVolumeSource::TENANT), causes);
    }
    required(source, &[QuobyteVolumeSource::VOLUME], causes);
}

fn registries(registry: &Field<'_>, tenant: &Field<'_>, causes: &mut Causes) {
    if tenant.text().len() > TENANT_MAX_BYTES {
        return causes.required(tenant);
    }
    for _ in registry.text().split(',').filter(|pair| !is_host_and_port(pair)) {
        causes.invalid(registry, "must be a host:port pair or multiple pairs separated by commas");
    }
}

fn is_host_and_port(pair: &str) -> bool {
    let Some((host, port)) = pair.rsplit_once(':') else { return false };
    let host_is_whole = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| !address.contains(['[', ']'])),
        None => !host.contains([':', '[', ']']),
    };
    host_is_whole && !port.contains(['[', ']'])
}

/// A volume of Flocker, by name or by id.
pub fn flocker(source: &Field<'_>, causes: &mut Causes) {
    let (name, id) =
        (source.member(FlockerVolumeSource::DATASET_NAME), source.member(FlockerVolumeSource::DATASET_UUID));
    match (name.is_empty(), id.is_empty()) {
        (true, true) => causes.required(source),
        (false, false) => causes.invalid(source, "datasetName and datasetUUID can not be specified simultaneously"),
        _ => {}
    }
    if name.text().contains('/') {
        causes.invalid(&name, "must not contain '/'");
    }
}

/// A volume of Cinder; `secret` names the members that its secret must have.
pub fn cinder(source: &Field<'_>, secret: &[FieldName], causes: &mut Causes) {
    required(source, &[CinderVolumeSource::VOLUME_ID], causes);
    secret_reference(source, secret, causes);
}

/// A volume of a FlexVolume driver, whose options keep clear of reserved names.
pub fn flex_volume(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[FlexVolumeSource::DRIVER], causes);
    for (key, option) in source.member(FlexVolumeSource::OPTIONS).entries() {
        let namespace = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            causes.invalid(&option, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

/// A disk of Azure, whose address follows from its kind.
pub fn azure_disk(source: &Field<'_>, causes: &mut Causes) {
    required(source, &[AzureDiskVolumeSource::DISK_NAME, AzureDiskVolumeSource::DISK_URI], causes);
    let (caching, kind, uri) = (
        source.member(AzureDiskVolumeSource::CACHING_MODE),
        source.member(AzureDiskVolumeSource::KIND),
        source.member(AzureDiskVolumeSource::DISK_URI),
    );
    if caching.is_set() {
        causes.one_of(&caching, &["None", "ReadOnly", "ReadWrite"]);
    }
    if !kind.is_set() {
        return;
    }
    causes.one_of(&kind, &DISK_KINDS);
    let (prefix, form) = match kind.text() {
        "Managed" => ("/subscriptions/", MANAGED_DISK),
        _ => ("https://", BLOB_DISK),
    };
    if !uri.text().starts_with(prefix) {
        causes.not_supported(&uri, &[form]);
    }
}

/// A volume of StorageOS; `secret` names the members that its secret must have.
pub fn storage_os(source: &Field<'_>, secret: &[FieldName], causes: &mut Causes) {
    let (volume, namespace) =
        (source.member(StorageOSVolumeSource::VOLUME_NAME), source.member(StorageOSVolumeSource::VOLUME_NAMESPACE));
    if causes.require(&volume) {
        causes.invalid_each(&volume, names::dns_label(volume.text()));
    }
    if !namespace.is_empty() {
        causes.invalid_each(&namespace, names::dns_label(namespace.text()));
    }
    secret_reference(source, secret, causes);
}

/// The name of a CSI driver: a subdomain in any case.
pub fn csi_driver(driver: &Field<'_>, causes: &mut Causes) {
    if !causes.require(driver) {
        return;
    }
    if driver.text().len() > DRIVER_MAX_BYTES {
        causes.too_long(driver, DRIVER_MAX_BYTES);
    }
    causes.invalid_each(driver, names::dns_subdomain(&driver.text().to_lowercase()));
}

/// A persistent volume of a CSI driver.
pub fn persistent_csi(source: &Field<'_>, causes: &mut Causes) {
    csi_driver(&source.member(CSIPersistentVolumeSource::DRIVER), causes);
    required(source, &[CSIPersistentVolumeSource::VOLUME_HANDLE], causes);
    for secret in CSI_SECRETS.map(|member| source.member(member)).iter().filter(|secret| secret.is_set()) {
        let (name, namespace) = (secret.member(SecretReference::NAME), secret.member(SecretReference::NAMESPACE));
        if causes.require(&name) {
            causes.invalid_each(&name, names::dns_subdomain(name.text()));
        }
        if causes.require(&namespace) {
            causes.invalid_each(&namespace, names::dns_label(namespace.text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iscsi_names_have_one_of_three_forms() {
        for good in ["iqn.2010-01.com.example:a.b", "eui.0123456789abcdef", "naa.0123456789abcdef0123456789abcdef"] {
            assert!(is_iscsi_name(good), "{good}");
        }
        for bad in ["", "iqn.2010-01.com.example", "iqn.2010-1.com:x", "iqn.2010-01.com:a b", "eui.012", "xyz.a"] {
            assert!(!is_iscsi_name(bad), "{bad}");
        }
    }

    #[test]
    fn hosts_come_with_a_port() {
        assert!(is_host_and_port("a:1") && is_host_and_port("[::1]:7861") && is_host_and_port(":"));
        assert!(!is_host_and_port("a") && !is_host_and_port("::1:80") && !is_host_and_port("[::1"));
    }
}
