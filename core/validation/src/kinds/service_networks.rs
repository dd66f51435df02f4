//! IPAddress and ServiceCIDR: the ranges of service addresses, and who has which.

pub mod ip_address {
    use crate::{
        field::{Causes, Root},
        names::{dns_subdomain, path_segment},
        table::Update,
    };

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let parent = object.member("spec").member("parentRef");
        if !parent.is_set() {
            return causes.required(&parent);
        }
        let group = parent.member("group");
        if !group.is_empty() {
            causes.invalid_each(&group, dns_subdomain(group.text()));
        }
        for member in ["resource", "name"] {
            let field = parent.member(member);
            if causes.require(&field) {
                causes.invalid_each(&field, path_segment(field.text()));
            }
        }
        let namespace = parent.member("namespace");
        if !namespace.is_empty() {
            causes.invalid_each(&namespace, path_segment(namespace.text()));
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        let (new, old) = (update.new.member("spec"), update.old.member("spec"));
        update.as_created(create, causes);
        causes.immutable(&new.member("parentRef"), &old.member("parentRef"));
    }
}

pub mod service_cidr {
    use crate::{
        field::{Causes, Field, Root},
        rules::net,
        table::Update,
    };

    const FAMILIES: usize = 2;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let ranges = object.member("spec").member("cidrs");
        if !causes.require(&ranges) {
            return;
        }
        if ranges.len() > FAMILIES {
            return causes.invalid(&ranges, "may only hold up to 2 values");
        }
        for range in ranges.items() {
            net::canonical_cidr(&range, causes);
        }
        let families: Vec<bool> =
            ranges.items().filter_map(|range| net::parse_range(range.text())).map(|(ip, _)| ip.is_ipv4()).collect();
        if let [first, second] = *families
            && first == second
        {
            causes.invalid(&ranges, "may specify no more than one IP for each IP family");
        }
    }

    fn ranges(object: Root<'_>) -> Field<'_> {
        object.member("spec").member("cidrs")
    }

    /// A range may get one of the other family beside it; what is there stays.
    pub fn update(update: Update<'_>, causes: &mut Causes) {
        if update.subresource.is_some() {
            return;
        }
        let (new, old) = (ranges(update.new), ranges(update.old));
        match (new.len(), old.len()) {
            (after, before) if after == before => same(&new, &old, causes),
            (2, 1) => {
                same(&new, &old, causes);
                create(update.new, causes);
            }
            _ => causes.immutable(&new, &old),
        }
    }

    fn same(new: &Field<'_>, old: &Field<'_>, causes: &mut Causes) {
        new.items().zip(old.items()).for_each(|(new, old)| causes.immutable(&new, &old));
    }
}
