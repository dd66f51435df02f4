//! Names that other names are made of.

use gantry_kinds::fields::{AnyObject, meta_v1::ObjectMeta};

use super::{Found, Written};
use crate::names;

/// Pods' names become hostnames: of a new object whose pods are named after it, or of a pod itself, a label is expected.
pub(super) fn becomes_hostname(written: Written<'_>, found: &mut Found) {
    let name = written.new.member(AnyObject::METADATA).member(ObjectMeta::NAME);
    if written.is_new() && !names::dns_label(name.text()).is_empty() {
        found.at(&name, "becomes the hostname of pods, where it may surprise: a DNS label is recommended");
    }
}
