//! Service accounts name their secrets, and nothing more of them.

use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct ServiceAccounts;

impl Strategy for ServiceAccounts {
    fn prepare_create(&self, account: &mut Object) {
        keep_names_of_secrets(account);
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Object, _old: &Object) {
        keep_names_of_secrets(new);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn keep_names_of_secrets(account: &mut Object) {
    let secrets = account.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten();
    for secret in secrets.filter_map(Value::as_object_mut) {
        secret.retain(|member, _| member == "name");
    }
}
