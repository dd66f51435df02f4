//! IPAddress and ServiceCIDR: the ranges of service addresses, and who has which.

pub mod ip_address {
    use gantry_kinds::fields::networking_v1::{IPAddress, IPAddressSpec, ParentReference};

    use crate::{
        field::{Causes, Root},
        names::{dns_subdomain, path_segment},
        table::Update,
    };

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let parent = object.member(IPAddress::SPEC).member(IPAddressSpec::PARENT_REF);
        if !parent.is_set() {
            return causes.required(&parent);
        }
        let group = parent.member(ParentReference::GROUP);
        if !group.is_empty() {
            causes.invalid_each(&group, dns_subdomain(group.text()));
        }
        for member in [ParentReference::RESOURCE, ParentReference::NAME] {
            let field = parent.member(member);
            if causes.require(&field) {
                causes.invalid_each(&field, path_segment(field.text()));
            }
        }
        let namespace = parent.member(ParentReference::NAMESPACE);
        if !namespace.is_empty() {
            causes.invalid_each(&namespace, path_segment(namespace.text()));
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        let (new, old) = (update.new.member(IPAddress::SPEC), update.old.member(IPAddress::SPEC));
        update.as_created(create, causes);
        causes.immutable(&new.member(IPAddressSpec::PARENT_REF), &old.member(IPAddressSpec::PARENT_REF));
    }
}

pub mod service_cidr {
    use gantry_kinds::fields::networking_v1::{ServiceCIDR, ServiceCIDRSpec};

    use crate::{
        field::{Causes, Field, Root},
        rules::net,
        table::Update,
    };

    const FAMILIES: usize = 2;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let ranges = object.member(ServiceCIDR::SPEC).member(ServiceCIDRSpec::CIDRS);
        if !causes.require(&ranges) {
            return;
        }
        if ranges.len() > FAMILIES {
            return causes.invalid(&ranges, "may only hold up to 2 values");
        }
        for range in ranges.items() {
            net::canonical_cidr(&range, causes);
        }
        let families: Vec<bool> = ranges.items().filter_map(|range| net::is_ipv4_range(range.text())).collect();
        if let [first, second] = *families
            && first == second
        {
            causes.invalid(&ranges, "may specify no more than one IP for each IP family");
        }
    }

    fn ranges(object: Root<'_>) -> Field<'_> {
        object.member(ServiceCIDR::SPEC).member(ServiceCIDRSpec::CIDRS)
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
