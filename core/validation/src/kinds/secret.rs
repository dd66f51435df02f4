//! Secret.

use gantry_kinds::fields::{core_v1::Secret, meta_v1::ObjectMeta};
use gantry_meta::Value;

use super::config_map::DATA_MAX_BYTES;
use crate::{
    field::{Causes, Field, Root},
    names,
    table::{Look, Update},
};

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let data = object.member(Secret::DATA);
    let mut bytes = 0;
    for (key, value) in data.entries() {
        causes.invalid_each(&value, names::config_key(key));
        bytes += super::decoded_base64_bytes(value.text());
    }
    if bytes > DATA_MAX_BYTES {
        causes.too_long(&data, DATA_MAX_BYTES);
    }
    of_known_type(object, &data, causes);
}

fn of_known_type(object: Root<'_>, data: &Field<'_>, causes: &mut Causes) {
    match object.member(Secret::TYPE).text() {
        "kubernetes.io/service-account-token" => {
            let account = object
                .member(Secret::METADATA)
                .member(ObjectMeta::ANNOTATIONS)
                .entry("kubernetes.io/service-account.name");
            causes.require(&account);
        }
        "kubernetes.io/dockercfg" => json_entry(&data.entry(".dockercfg"), causes),
        "kubernetes.io/dockerconfigjson" => json_entry(&data.entry(".dockerconfigjson"), causes),
        "kubernetes.io/basic-auth" => {
            let (user, password) = (data.entry("username"), data.entry("password"));
            if !user.is_set() && !password.is_set() {
                causes.required(&user);
                causes.required(&password);
            }
        }
        "kubernetes.io/ssh-auth" => {
            causes.require(&data.entry("ssh-privatekey"));
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !data.entry(key).is_set() {
                    causes.required(&data.entry(key));
                }
            }
        }
        _ => {}
    }
}

fn json_entry(entry: &Field<'_>, causes: &mut Causes) {
    if !entry.is_set() {
        causes.required(entry);
    } else if !decodes_to_json(entry.text()) {
        causes.invalid(entry, "<secret contents redacted>");
    }
}

fn decodes_to_json(base64: &str) -> bool {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
    bytes.is_ok_and(|bytes| serde_json::from_slice::<Value>(&bytes).is_ok_and(|v| v.is_object() || v.is_null()))
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    update.look(Look::Changes, causes);
    causes.immutable(&update.new.member(Secret::TYPE), &update.old.member(Secret::TYPE));
    super::immutable_data(update, &[Secret::DATA], causes);
    update.look(Look::Whole, causes);
    create(update.new, causes);
}
