//! Checks of a whole object before it is stored.

use std::borrow::Cow;

use gantry_auth::rbac::{self, BindingWrite, RoleWrite};
use gantry_meta::{Cause, Object, ObjectView as _, Status};
use gantry_validation as validation;

use super::{Write, admin_access::admin_access};

/// 422 with every cause found. Only what is valid is worth a warning.
pub(super) fn validate(write: &Write<'_>, object: &Object, old: Option<&Object>) -> Result<(), Status> {
    let resource = &write.served.resource;
    let named =
        validation::Resource { group: &resource.group, resource: &resource.plural, namespaced: resource.namespaced };
    let subresource = Some(write.subresource).filter(|sub| !sub.is_empty());
    write.check_addresses(object, old)?;
    let mut causes: Vec<Cause> = admin_access(write, object, old).into_iter().collect();
    let (checked, checked_old) = (as_checked(write, object), old.map(|old| as_checked(write, old)));
    match checked_old {
        None => causes.extend(validation::validate_create(named, &checked)),
        Some(old) => {
            causes.extend(validation::validate_update(named, &checked, &old, subresource));
            causes.extend(write.served.strategy.validate_update(write.subresource, &checked, &old));
        }
    }
    if !causes.is_empty() || write.options.dry_run || old.is_none() && write.repeats_node_ports(object) {
        write.check_stated(object, old)?;
    }
    if !causes.is_empty() {
        return Err(write.served.invalid(object.name(), causes));
    }
    let warnings = validation::warnings(named, object, old, subresource);
    warnings.into_iter().chain(write.served.strategy.warnings(object)).for_each(|warning| write.ctx.warn(warning));
    Ok(())
}

/// An object in the form in which it is checked.
fn as_checked<'o>(write: &Write<'_>, object: &'o Object) -> Cow<'o, Object> {
    match write.served.conversion.filter(|conversion| conversion.checks_stored()) {
        None => Cow::Borrowed(object),
        Some(conversion) => Cow::Owned(conversion.to_stored(object.clone())),
    }
}

/// Nobody grants what they do not have.
pub(super) fn check_escalation(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), Status> {
    let resource = &write.served.resource;
    if resource.group != rbac::GROUP {
        return Ok(());
    }
    let (authorizer, user) = (&*write.state.authorizer, &write.ctx.user);
    let store = authorizer.store().rbac();
    let checked = match &*resource.plural {
        plural @ ("roles" | "clusterroles") => {
            rbac::check_role_write(authorizer, store, user, RoleWrite { resource: plural, named: write.name, new, old })
        }
        plural => rbac::check_binding_write(authorizer, store, user, BindingWrite { resource: plural, new, old }),
    };
    checked.map_err(|refusal| *refusal)
}
