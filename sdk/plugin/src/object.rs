//! Objects as the host hands them to a plugin.

use gantry_abi as abi;
use serde::Deserialize;

use crate::{error::Failure, metadata::Metadata, resource::Resource};

/// An object of the cluster: its names, and its JSON, which is decoded only when asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Obj<'a> {
    pub resource: Resource<'a>,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub resource_version: &'a str,
    /// JSON with `apiVersion`, `kind` and `metadata.resourceVersion`.
    pub json: &'a [u8],
}

impl<'a> Obj<'a> {
    /// Reads the object into `T`: a generated type, a struct of one's own with the few fields that matter, or
    /// [`serde_json::Value`].
    ///
    /// # Errors
    /// The JSON is not a `T`.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.json)
            .map_err(|e| Failure::new(format!("{} {}/{}: {e}", self.resource.kind, self.namespace, self.name)))
    }

    /// # Errors
    /// The JSON has no readable metadata.
    pub fn metadata(&self) -> Result<Metadata, Failure> {
        #[derive(Deserialize)]
        struct Just {
            metadata: Metadata,
        }
        Ok(self.decode::<Just>()?.metadata)
    }

    /// `None` if a text is not UTF-8, which the host promises not to send.
    ///
    /// # Safety
    /// All texts of `raw` live for `'a`.
    pub(crate) unsafe fn from_raw(raw: &abi::Object) -> Option<Self> {
        // SAFETY: promised by the caller.
        unsafe {
            Some(Self {
                resource: Resource {
                    group: raw.group.text()?,
                    version: raw.version.text()?,
                    resource: raw.resource.text()?,
                    kind: raw.kind.text()?,
                },
                namespace: raw.ns.text()?,
                name: raw.name.text()?,
                uid: raw.uid.text()?,
                resource_version: raw.resource_version.text()?,
                json: raw.json.bytes(),
            })
        }
    }
}
