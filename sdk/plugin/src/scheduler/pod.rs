//! The pod that is scheduled.

use gantry_abi as abi;
use serde::Deserialize;

use super::Sid;
use crate::Failure;

/// A pod as hooks see it.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    pub uid: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub scheduler_name: &'a str,
    pub priority: i32,
    /// The same uid and generation mean the same content.
    pub generation: u64,
    /// CPU request in millicores, 100 per container that asks for nothing.
    pub nonzero_cpu: i64,
    /// Memory request in bytes, 200 MiB per container that asks for nothing.
    pub nonzero_memory: i64,
    requests: &'a [abi::Qty],
    json: &'a [u8],
}

impl<'a> Pod<'a> {
    /// `None`: malformed.
    ///
    /// # Safety
    /// `raw` is null or the host's pod, which lives for `'a`.
    pub(crate) unsafe fn new(raw: *const abi::Pod) -> Option<Self> {
        // SAFETY: promised by the caller.
        unsafe {
            let raw = raw.as_ref().filter(|raw| raw.size >= abi::size_of_u32::<abi::Pod>())?;
            let requests = if raw.n_requests == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(raw.requests, raw.n_requests as usize)
            };
            Some(Self {
                uid: raw.uid.text()?,
                namespace: raw.ns.text()?,
                name: raw.name.text()?,
                scheduler_name: raw.scheduler_name.text()?,
                priority: raw.priority,
                generation: raw.generation,
                nonzero_cpu: raw.nonzero_cpu,
                nonzero_memory: raw.nonzero_memory,
                requests,
                json: raw.json.bytes(),
            })
        }
    }

    /// What the pod as a whole asks for: resource and amount (CPU in millicores). Containers, init containers, sidecars and
    /// overhead are taken together as upstream does.
    pub fn requests(&self) -> impl Iterator<Item = (Sid, i64)> + use<'a> {
        self.requests.iter().map(|qty| (qty.resource, qty.value))
    }

    /// The pod, or the few of its fields that matter.
    ///
    /// # Errors
    /// `pod.json` is not among the plugin's columns, or the pod is not a `T`.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, Failure> {
        if self.json.is_empty() {
            return Err("the plugin does not declare pod.json".into());
        }
        Ok(serde_json::from_slice(self.json)?)
    }
}
