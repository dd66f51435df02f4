//! Which token secrets there are, and which of them are to be looked at.

use std::{collections::BTreeMap, sync::Arc};

use gantry_meta::Value;
use gantry_runtime::{Observed, ReflectorTarget, WorkQueue};
use parking_lot::Mutex;

use super::{ACCOUNT_NAME, Key};

/// The token secrets there are, with the accounts that they name, and which of them are to be looked at.
#[derive(Default)]
pub(super) struct Known {
    accounts: Mutex<BTreeMap<Key, String>>,
    pub queue: WorkQueue<Key>,
}

impl Known {
    fn add(&self, secret: Observed) {
        let read: Value = serde_json::from_slice(&secret.json).unwrap_or_default();
        let account = read["metadata"]["annotations"][ACCOUNT_NAME].as_str().unwrap_or_default().to_owned();
        let key = (secret.namespace, secret.name);
        self.accounts.lock().insert(key.clone(), account);
        self.queue.add(key);
    }

    fn check(&self, concerned: impl Fn(&Key, &str) -> bool) {
        let accounts = self.accounts.lock();
        accounts
            .iter()
            .filter(|(key, account)| concerned(key, account))
            .for_each(|(key, _)| self.queue.add(key.clone()));
    }
}

/// Token secrets that appear or change.
pub(super) struct Secrets(pub Arc<Known>);

impl ReflectorTarget for Secrets {
    fn replaced(&self, items: Vec<Observed>) {
        self.0.accounts.lock().clear();
        items.into_iter().for_each(|secret| self.0.add(secret));
    }

    fn applied(&self, object: Observed) {
        self.0.add(object);
    }

    fn deleted(&self, object: Observed) {
        let key = (object.namespace, object.name);
        self.0.accounts.lock().remove(&key);
        self.0.queue.forget(&key);
    }
}

/// Accounts that go: their secrets go with them.
pub(super) struct Accounts(pub Arc<Known>);

impl ReflectorTarget for Accounts {
    fn replaced(&self, _items: Vec<Observed>) {
        self.0.check(|_, _| true);
    }

    fn applied(&self, _object: Observed) {}

    fn deleted(&self, object: Observed) {
        self.0.check(|(namespace, _), account| *namespace == object.namespace && account == object.name);
    }
}
