//! Service accounts name their secrets, and nothing more of them.

use gantry_kinds::{
    Members as _,
    fields::core_v1::{ObjectReference, ServiceAccount},
};
use gantry_meta::Object;

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
    for secret in account.objects_mut(ServiceAccount::SECRETS) {
        secret.retain(|member, _| member == ObjectReference::NAME.as_str());
    }
}
