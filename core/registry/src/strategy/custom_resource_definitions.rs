//! Definitions of custom resources: the version that is stored is noted before the first object is.

use gantry_kinds::{
    Members as _,
    fields::apiextensions_v1::{
        CustomResourceDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionStatus,
        CustomResourceDefinitionVersion,
    },
    path,
};
use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct CustomResourceDefinitions;

impl Strategy for CustomResourceDefinitions {
    fn prepare_create(&self, definition: &mut Object) {
        note_stored_version(definition);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, _old: &Object) {
        if subresource.is_empty() {
            note_stored_version(new);
        }
    }
}

/// Adds the first version marked `storage` to `status.storedVersions`.
fn note_stored_version(definition: &mut Object) {
    let versions = path![CustomResourceDefinition::SPEC, CustomResourceDefinitionSpec::VERSIONS];
    let mut versions = definition.items_at(versions).iter().filter_map(Value::as_object);
    let stored = versions.find(|version| version.flag(CustomResourceDefinitionVersion::STORAGE));
    let name = stored.and_then(|version| version.member(CustomResourceDefinitionVersion::NAME)).cloned();
    let Some(status) = definition.made(CustomResourceDefinition::STATUS) else { return };
    let noted = status.made_list(CustomResourceDefinitionStatus::STORED_VERSIONS);
    if let (Some(noted), Some(name)) = (noted, name)
        && !noted.contains(&name)
    {
        noted.push(name);
    }
}
