//! Node. The reference reports taints under `metadata`.

use crate::{
    field::{Causes, Field, Root},
    names,
    rules::{net, resources},
    table::Update,
};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member("spec");
    taints(object, causes);
    capacities(object, causes);
    let ranges = spec.member("podCIDRs");
    for range in ranges.items() {
        net::cidr(&range, causes);
    }
    if ranges.len() > 2 {
        causes.invalid(&ranges, "may specify no more than one CIDR for each IP family");
    } else if ranges.len() == 2 {
        let families: Vec<bool> = ranges.items().map(|range| range.text().contains(':')).collect();
        if families[0] == families[1] {
            causes.invalid(&ranges, "may specify no more than one CIDR for each IP family");
        }
    }
}

fn taints(object: Root<'_>, causes: &mut Causes) {
    let taints = object.member("spec").member("taints").reported_at(&object.member("metadata").member("taints"));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for taint in taints.items() {
        let (key, value, effect) = (taint.member("key"), taint.member("value"), taint.member("effect"));
        causes.invalid_each(&key, names::qualified_name(key.text()));
        causes.invalid_each(&value, names::label_value(value.text()));
        causes.require_one_of(&effect, &EFFECTS);
        let one = (key.text(), effect.text());
        if seen.contains(&one) {
            causes.duplicate(&taint);
        }
        seen.push(one);
    }
}

/// Amounts are reported as members, without brackets.
fn capacities(object: Root<'_>, causes: &mut Causes) {
    for list in ["capacity", "allocatable"] {
        let list = object.member("status").member(list);
        for (name, field) in list.entries() {
            let field: Field<'_> = field.reported_at(&list.member(name));
            resources::resource_name(name, &field, causes);
            resources::resource_amount(name, &field, causes);
        }
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    let (new, old) = (update.new.member("spec"), update.old.member("spec"));
    taints(update.new, causes);
    capacities(update.new, causes);
    let addresses = update.new.member("status").member("addresses");
    let mut seen: Vec<[&str; 2]> = Vec::new();
    for address in addresses.items() {
        let one = ["type", "address"].map(|member| address.member(member).text());
        if seen.contains(&one) {
            causes.duplicate(&address);
        }
        seen.push(one);
    }
    once(&new.member("podCIDRs"), &old.member("podCIDRs"), causes);
    if old.member("podCIDRs").is_empty() {
        for range in new.member("podCIDRs").items() {
            net::cidr(&range, causes);
        }
    }
    once(&new.member("providerID"), &old.member("providerID"), causes);
    if new.member("externalID").value() != old.member("externalID").value() {
        causes.forbidden(&new.member("externalID"), "may not be updated");
    }
}

/// May be set, and not changed once set.
fn once(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
    if !old.is_empty() && new.value() != old.value() {
        causes.forbidden(new, "node updates may not change this field except from empty to valid");
    }
}
