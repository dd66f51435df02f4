//! ConfigMap.

use gantry_kinds::fields::core_v1::ConfigMap;

use crate::{
    field::{Causes, Root},
    names,
    table::{Look, Update},
};

/// Bytes of all values together.
pub const DATA_MAX_BYTES: usize = 1024 * 1024;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let (data, binary) = (object.member(ConfigMap::DATA), object.member(ConfigMap::BINARY_DATA));
    let mut bytes = 0;
    for (key, value) in data.entries() {
        causes.invalid_each(&value, names::config_key(key));
        if binary.entry(key).value().is_some() {
            causes.invalid(&value, "duplicate of key present in binaryData");
        }
        bytes += value.text().len();
    }
    for (key, value) in binary.entries() {
        causes.invalid_each(&value, names::config_key(key));
        bytes += super::decoded_base64_bytes(value.text());
    }
    if bytes > DATA_MAX_BYTES {
        // The reference reports this without a field name.
        causes.push(gantry_meta::Cause::too_long(&gantry_meta::FieldPath::of("[]"), DATA_MAX_BYTES));
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    update.look(Look::Changes, causes);
    super::immutable_data(update, &[ConfigMap::DATA, ConfigMap::BINARY_DATA], causes);
    update.look(Look::Whole, causes);
    create(update.new, causes);
}
