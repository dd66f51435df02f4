//! Nodes, and what is said about them.

use gantry_kinds::fields::{
    core_v1::{Node, NodeSpec},
    node_v1::{RuntimeClass, Scheduling},
    resource_v1::{ResourceSlice, ResourceSliceSpec},
};

use super::{Found, Written, addresses, node_labels};

pub(super) fn node(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member(Node::SPEC);
    if spec.member(NodeSpec::CONFIG_SOURCE).is_set() {
        found.at(&spec.member(NodeSpec::CONFIG_SOURCE), "this feature was removed");
    }
    if !spec.member(NodeSpec::EXTERNAL_ID).is_empty() {
        found.at(&spec.member(NodeSpec::EXTERNAL_ID), "deprecated, and not used by anything");
    }
    spec.member(NodeSpec::POD_CIDRS).items().for_each(|range| addresses::cidr(&range, found));
}

pub(super) fn runtime_class(written: Written<'_>, found: &mut Found) {
    node_labels::selector(&written.new.member(RuntimeClass::SCHEDULING).member(Scheduling::NODE_SELECTOR), found);
}

pub(super) fn resource_slice(written: Written<'_>, found: &mut Found) {
    let driver = written.new.member(ResourceSlice::SPEC).member(ResourceSliceSpec::DRIVER);
    if driver.text().chars().any(char::is_uppercase) {
        found.at(
            &driver,
            format_args!("{:?} has upper-case letters; drivers should be named in lower case", driver.text()),
        );
    }
}
