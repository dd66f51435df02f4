//! Which objects a controller's selector and owner references make its own: adoption and release.
//!
//! Source: API conventions, "controller references": an orphan that matches is adopted, what no longer matches is released,
//! and what another controller owns is left alone.

use gantry_plugin::{Metadata, Ops, Resource};
use serde_json::json;

use crate::selector::Selector;

/// Who claims.
pub struct Claimant<'a> {
    pub resource: Resource<'a>,
    pub metadata: &'a Metadata,
    pub selector: &'a Selector,
}

impl Claimant<'_> {
    /// The owner reference that marks what is ours.
    pub fn owner_reference(&self) -> serde_json::Value {
        json!({"apiVersion": self.resource.api_version(), "kind": self.resource.kind, "name": self.metadata.name,
            "uid": self.metadata.uid, "controller": true, "blockOwnerDeletion": true})
    }

    /// Those of `candidates` that are ours, or become it now: who counted orphans as missing would make too many.
    /// Releases those that no longer match.
    pub fn claim<T>(
        &self,
        of: &Resource<'_>,
        candidates: Vec<T>,
        metadata: fn(&T) -> &Metadata,
        ops: &mut Ops,
    ) -> Vec<T> {
        let mut ours = Vec::new();
        for candidate in candidates {
            let meta = metadata(&candidate);
            let matching = self.selector.matches(&meta.labels);
            match meta.controller() {
                Some(owner) if owner.uid != self.metadata.uid => {}
                Some(_) if matching => ours.push(candidate),
                Some(_) => self.release(of, meta, ops),
                None if matching && self.adopt(of, meta, ops) => ours.push(candidate),
                None => {}
            }
        }
        ours
    }

    /// Whether it may be ours.
    fn adopt(&self, of: &Resource<'_>, orphan: &Metadata, ops: &mut Ops) -> bool {
        if self.metadata.is_terminating() || orphan.is_terminating() {
            return false;
        }
        let patch = json!({"metadata": {"uid": orphan.uid, "ownerReferences": [self.owner_reference()]}});
        ops.patch_strategic(of, &orphan.namespace, &orphan.name, &patch).ignore_not_found().done();
        true
    }

    fn release(&self, of: &Resource<'_>, meta: &Metadata, ops: &mut Ops) {
        if self.metadata.is_terminating() {
            return;
        }
        let gone = json!({"$patch": "delete", "uid": self.metadata.uid});
        let patch = json!({"metadata": {"uid": meta.uid, "ownerReferences": [gone]}});
        ops.patch_strategic(of, &meta.namespace, &meta.name, &patch).ignore_not_found().done();
    }
}
