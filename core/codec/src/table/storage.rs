//! Cells of volumes, claims, classes and drivers.

use super::{
    look,
    network::default_marked,
    row::{CellFn, Row},
};
use gantry_meta::{Object, ObjectView, Value};

pub(super) fn cell(plural: &str, column: &str) -> Option<CellFn> {
    match (plural, column) {
        ("persistentvolumes" | "persistentvolumeclaims", "Status") => Some(phase),
        ("persistentvolumeclaims", "Capacity") => Some(|row| {
            if is_bound(row.object) { look::text(row.object, "status.capacity.storage").into() } else { "".into() }
        }),
        ("persistentvolumeclaims", "Access Modes") => {
            Some(|row| if is_bound(row.object) { access_modes(row.object, "status.accessModes") } else { "".into() })
        }
        ("persistentvolumes", "Access Modes") => Some(|row| access_modes(row.object, "spec.accessModes")),
        ("persistentvolumes" | "persistentvolumeclaims", "StorageClass") => Some(storage_class),
        ("persistentvolumes", "Claim") => Some(claim),
        ("storageclasses", "Name") => Some(|row| {
            const MARKS: [&str; 2] =
                ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
            default_marked(row.object, &MARKS)
        }),
        ("csidrivers", "TokenRequests") => Some(token_requests),
        _ => None,
    }
}

fn phase(row: Row<'_>) -> Value {
    if row.object.is_terminating() { "Terminating".into() } else { look::text(row.object, "status.phase").into() }
}

fn is_bound(object: &Object) -> bool {
    !look::text(object, "spec.volumeName").is_empty()
}

/// Short forms in a fixed order, each once.
fn access_modes(object: &Object, path: &str) -> Value {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| look::texts(object, path).any(|m| m == mode);
    let modes: Vec<&str> = SHORT.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect();
    modes.join(",").into()
}

fn storage_class(row: Row<'_>) -> Value {
    let beta = row.object.annotations().and_then(|a| a.get("volume.beta.kubernetes.io/storage-class"));
    match beta.and_then(Value::as_str) {
        Some(class) => class.into(),
        None => look::text(row.object, "spec.storageClassName").into(),
    }
}

fn claim(row: Row<'_>) -> Value {
    match look::object(row.object, "spec.claimRef") {
        Some(claim) => format!("{}/{}", look::text(claim, "namespace"), look::text(claim, "name")).into(),
        None => "".into(),
    }
}

/// The audience of the API server itself is written as an empty text.
fn token_requests(row: Row<'_>) -> Value {
    if look::value(row.object, "spec.tokenRequests").is_null() {
        return "<unset>".into();
    }
    let audiences: Vec<&str> =
        look::objects(row.object, "spec.tokenRequests").map(|r| look::text(r, "audience")).collect();
    audiences.join(",").into()
}
