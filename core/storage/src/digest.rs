//! Fingerprints by which a cache is compared with the storage it mirrors.

use std::collections::BTreeMap;

use crate::{Key, Revision};

/// All objects of a shard as of `revision`, summed up per resource.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Digest {
    pub revision: Revision,
    /// By [`Key::resource_part`]; a resource without objects has no entry.
    pub resources: BTreeMap<String, ResourceDigest>,
}

/// Independent of order, so a database may compute it in any plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResourceDigest {
    pub objects: u64,
    /// Exclusive or of [`mix`] over all objects.
    pub hash: u64,
}

impl ResourceDigest {
    pub fn add(&mut self, key: &str, revision: Revision) {
        self.objects += 1;
        self.hash ^= mix(key, revision);
    }
}

impl Digest {
    pub fn add(&mut self, key: &Key, revision: Revision) {
        self.resources.entry(key.resource_part().to_owned()).or_default().add(key.as_str(), revision);
    }
}

/// FNV-1a over the key's bytes and the revision's eight (little end first), then a final avalanche (MurmurHash3 `fmix64`), because an
/// exclusive or of plain FNV values would cancel similar keys.
pub fn mix(key: &str, revision: Revision) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = revision.0.to_le_bytes().into_iter().fold(key.bytes().fold(OFFSET, fnv), fnv);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::ResourceDigest;
    use crate::Revision;

    #[test]
    fn two_objects_that_swap_their_revisions_change_the_hash() {
        let digest = |a, b| {
            let mut d = ResourceDigest::default();
            d.add("/core/pods/default/a", Revision(a));
            d.add("/core/pods/default/b", Revision(b));
            d
        };
        assert_ne!(digest(1, 2), digest(2, 1));
        assert_eq!(digest(1, 2), digest(1, 2));
    }
}
