//! Nodes, and what is said about them.

use super::{Found, Written, addresses, node_labels};

pub(super) fn node(written: Written<'_>, found: &mut Found) {
    let spec = written.new.member("spec");
    if spec.member("configSource").is_set() {
        found.at(&spec.member("configSource"), "this feature was removed");
    }
    if !spec.member("externalID").is_empty() {
        found.at(&spec.member("externalID"), "deprecated, and not used by anything");
    }
    spec.member("podCIDRs").items().for_each(|range| addresses::cidr(&range, found));
}

pub(super) fn runtime_class(written: Written<'_>, found: &mut Found) {
    node_labels::selector(&written.new.member("scheduling").member("nodeSelector"), found);
}

pub(super) fn resource_slice(written: Written<'_>, found: &mut Found) {
    let driver = written.new.member("spec").member("driver");
    if driver.text().chars().any(char::is_uppercase) {
        found.at(
            &driver,
            format_args!("{:?} has upper-case letters; drivers should be named in lower case", driver.text()),
        );
    }
}
