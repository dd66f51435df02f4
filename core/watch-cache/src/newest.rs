//! The objects that stand now, found by key with a handful of looks into memory, however many there are: on the way down an
//! ordered tree of a million keys some forty texts are compared, of which hardly one is in the processor's cache.

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};

use crate::CachedObject;

#[derive(Default)]
pub(crate) struct Newest {
    /// With their hashes, so that the table grows without looking at the objects.
    slots: HashTable<(u64, Arc<CachedObject>)>,
    hasher: DefaultHashBuilder,
}

impl Newest {
    pub fn get(&self, key: &str) -> Option<&Arc<CachedObject>> {
        let hash = self.hasher.hash_one(key);
        self.slots.find(hash, |slot| is_of(slot, hash, key)).map(|(_, object)| object)
    }

    /// Takes the place of an older version.
    pub fn insert(&mut self, object: Arc<CachedObject>) {
        let key = object.key().as_str();
        let hash = self.hasher.hash_one(key);
        match self.slots.entry(hash, |slot| is_of(slot, hash, key), |(hash, _)| *hash) {
            Entry::Occupied(mut slot) => slot.get_mut().1 = object,
            Entry::Vacant(slot) => _ = slot.insert((hash, object)),
        }
    }

    pub fn remove(&mut self, key: &str) {
        let hash = self.hasher.hash_one(key);
        if let Ok(slot) = self.slots.find_entry(hash, |slot| is_of(slot, hash, key)) {
            slot.remove();
        }
    }
}

fn is_of((stored, object): &(u64, Arc<CachedObject>), hash: u64, key: &str) -> bool {
    *stored == hash && object.key().as_str() == key
}

#[cfg(test)]
mod tests {
    use gantry_storage::{Key, Revision};

    use super::*;
    use crate::ResourceConfig;

    fn object(name: &str, revision: u64) -> Arc<CachedObject> {
        let config = Arc::new(ResourceConfig::new("", "configmaps", "v1", "ConfigMap"));
        let key = Key::new("", "configmaps", "default", name);
        let value = br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}"#;
        Arc::new(CachedObject::new(&config, key, Revision(revision), Revision(revision), value))
    }

    #[test]
    fn the_last_version_of_each_key_is_found_until_it_is_removed() {
        let mut newest = Newest::default();
        let names: Vec<String> = (0..500).map(|n| format!("o{n}")).collect();
        (1..).zip(&names).for_each(|(revision, name)| newest.insert(object(name, revision)));
        newest.insert(object("o7", 1000));
        newest.remove("/core/configmaps/default/o8");
        newest.remove("/core/configmaps/default/none");
        let revision = |name: &str| newest.get(&format!("/core/configmaps/default/{name}")).map(|o| o.revision().0);
        assert_eq!((revision("o7"), revision("o8"), revision("none")), (Some(1000), None, None));
        assert!(names.iter().skip(9).zip(10..).all(|(name, expected)| revision(name) == Some(expected)));
    }
}
