//! Garbage collection: what lost its last owner goes, and owners wait for or let go of what they own.
//!
//! Source: API reference, "Garbage Collection" and ObjectMeta.ownerReferences. The graph is the host's cache of every
//! object's metadata with its index by owner; a key names one object by resource, namespace, name and uid.

use gantry_plugin::{
    Controller, Cx, Event, EventType, Failure, HostRef, Key, Metadata, NoConfig, Obj, ObjectReference, Ops, Outcome,
    OwnerReference, Plugin, Propagation, Query, Reader, Resource, Watch,
};
use serde_json::json;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Named as upstream names it: its events and its account carry the name.
pub struct GarbageCollector;

impl Plugin for GarbageCollector {
    const ID: &'static str = "generic-garbage-collector";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

fn key_of(object: &Obj<'_>) -> Key {
    let Resource { group, version, resource, kind } = object.resource;
    Key::scoped(&format!("{group}/{version}/{resource}/{kind}/{}", object.uid), object.namespace, object.name)
}

/// The resource and uid that a key's scope names.
fn parse(scope: &str) -> Option<(Resource<'_>, &str)> {
    let mut parts = scope.splitn(5, '/');
    let (group, version, resource, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((Resource { group, version, resource, kind }, parts.next()?))
}

impl Controller for GarbageCollector {
    const WATCHES: &'static [Watch] = &[Watch::every_deletable_resource()];

    /// An object whose owners or deletion changed; the dependents of one that is gone; the owners that may wait for one.
    fn map(&self, _: &Cx<'_>, event: &Event<'_>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
        let Some(latest) = event.latest() else { return Ok(Vec::new()) };
        let (old, new) = (event.old.map(|o| o.metadata()).transpose()?, event.new.map(|o| o.metadata()).transpose()?);
        let mut keys = Vec::new();
        let Some(new) = new else {
            keys.extend(read.objects(&Query::everything().owned_by(latest.uid))?.iter().map(key_of));
            keys.extend(waiting_owners(&latest, old.as_ref(), read)?);
            return Ok(keys);
        };
        let is_new = old.is_none();
        let old = old.unwrap_or_default();
        let owners_changed = old.owner_references != new.owner_references;
        if (owners_changed && !new.owner_references.is_empty()) || (new.is_terminating() && holds_itself(&new)) {
            keys.push(key_of(&latest));
        }
        if owners_changed && !is_new {
            keys.extend(waiting_owners(&latest, Some(&old), read)?);
        }
        Ok(keys)
    }

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let (resource, uid) = parse(&key.scope).ok_or("the key's scope names no object")?;
        let found = read.objects(&Query::everything().namespace(&key.namespace).name(&key.name))?;
        let Some(object) = found.into_iter().find(|o| o.uid == uid && o.resource.resource == resource.resource) else {
            return Ok(Outcome::Done);
        };
        let metadata = object.metadata()?;
        if metadata.is_terminating() {
            if metadata.finalizers.iter().any(|f| f == ORPHAN) {
                return orphan_dependents(&object, &metadata, read, ops);
            }
            if metadata.finalizers.iter().any(|f| f == FOREGROUND) {
                return delete_dependents(&object, &metadata, read, ops);
            }
            return Ok(Outcome::Done);
        }
        check_owners(&object, &metadata, read, ops)
    }
}

fn holds_itself(metadata: &Metadata) -> bool {
    metadata.finalizers.iter().any(|f| f == ORPHAN || f == FOREGROUND)
}

/// Owners of an object that are being deleted in the foreground.
fn waiting_owners(object: &Obj<'_>, metadata: Option<&Metadata>, read: &Reader<'_>) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for owner in metadata.into_iter().flat_map(|m| &m.owner_references) {
        for namespace in [object.namespace, ""] {
            let named = read.objects(&Query::everything().namespace(namespace).name(&owner.name))?;
            let same = named.iter().filter(|o| o.uid == owner.uid);
            keys.extend(same.map(key_of));
        }
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// `orphan`: dependents lose the reference, then the owner may go.
fn orphan_dependents(
    owner: &Obj<'_>,
    metadata: &Metadata,
    read: &Reader<'_>,
    ops: &mut Ops,
) -> Result<Outcome, Failure> {
    for dependent in read.objects(&Query::everything().owned_by(owner.uid))? {
        let without = dependent.metadata()?.owner_references;
        let without: Vec<&OwnerReference> = without.iter().filter(|o| o.uid != owner.uid).collect();
        set_owners(&dependent, &without, ops);
    }
    ops.then();
    remove_finalizer(owner, metadata, ORPHAN, ops);
    Ok(Outcome::Done)
}

/// `foregroundDeletion`: dependents are deleted; the owner goes when none is left that blocks it.
fn delete_dependents(
    owner: &Obj<'_>,
    metadata: &Metadata,
    read: &Reader<'_>,
    ops: &mut Ops,
) -> Result<Outcome, Failure> {
    let mut blocked = false;
    for dependent in read.objects(&Query::everything().owned_by(owner.uid))? {
        let meta = dependent.metadata()?;
        blocked |= meta.owner_references.iter().any(|o| o.uid == owner.uid && o.block_owner_deletion);
        let others = meta.owner_references.iter().any(|o| o.uid != owner.uid);
        if !meta.is_terminating() && !others {
            break_circle(&dependent, &meta, read, ops)?;
            delete(&dependent, propagation_below(&dependent, read)?, ops);
        } else if others {
            blocked |= check_owners(&dependent, &meta, read, ops).is_err();
        }
    }
    if !blocked {
        remove_finalizer(owner, metadata, FOREGROUND, ops);
    }
    Ok(Outcome::Done)
}

/// An object that is to go because its owner waits for it, while something below it waits as well, may be part of a
/// circle in which each waits for the next: it stops blocking its owners before it goes.
fn break_circle(object: &Obj<'_>, metadata: &Metadata, read: &Reader<'_>, ops: &mut Ops) -> Result<(), Failure> {
    for dependent in read.objects(&Query::everything().owned_by(object.uid))? {
        let below = dependent.metadata()?;
        if below.is_terminating() && below.finalizers.iter().any(|f| f == FOREGROUND) {
            let unblocking = |owner: &OwnerReference| OwnerReference { block_owner_deletion: false, ..owner.clone() };
            let owners: Vec<OwnerReference> = metadata.owner_references.iter().map(unblocking).collect();
            set_owners(object, &owners.iter().collect::<Vec<_>>(), ops);
            ops.then();
            break;
        }
    }
    Ok(())
}

/// Foreground goes on downward where there is something below.
fn propagation_below(object: &Obj<'_>, read: &Reader<'_>) -> Result<Propagation, Failure> {
    let any = !read.objects(&Query::everything().owned_by(object.uid))?.is_empty();
    Ok(if any { Propagation::Foreground } else { Propagation::Background })
}

#[derive(Default)]
struct Owners<'m> {
    solid: Vec<&'m OwnerReference>,
    dangling: usize,
    waiting: usize,
}

/// Deletes an object whose owners are all gone; drops the references to those that are, where others remain.
fn check_owners(object: &Obj<'_>, metadata: &Metadata, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
    let mut owners = Owners::default();
    for reference in &metadata.owner_references {
        match state_of(object, reference, read)? {
            OwnerState::Solid => owners.solid.push(reference),
            OwnerState::Waiting if reference.block_owner_deletion => owners.waiting += 1,
            OwnerState::Waiting => owners.solid.push(reference),
            OwnerState::Absent => owners.dangling += 1,
            OwnerState::Invalid => {
                let message =
                    format!("ownerRef {}/{} does not exist in namespace \"\"", reference.kind, reference.name);
                ops.event(&ObjectReference::from(object), EventType::Warning, "OwnerRefInvalidNamespace", &message)
                    .done();
                owners.solid.push(reference);
            }
        }
    }
    if owners.dangling + owners.waiting == 0 {
        return Ok(Outcome::Done);
    }
    if !owners.solid.is_empty() {
        set_owners(object, &owners.solid, ops);
    } else if owners.waiting > 0 {
        break_circle(object, metadata, read, ops)?;
        delete(object, propagation_below(object, read)?, ops);
    } else {
        delete(object, Propagation::Background, ops);
    }
    Ok(Outcome::Done)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerState {
    Solid,
    /// Being deleted in the foreground: it waits for us.
    Waiting,
    Absent,
    /// A cluster-scoped object cannot be owned by a namespaced one. It is left alone.
    Invalid,
}

/// The cache tells who is there; that someone is not, only the API itself can say.
fn state_of(object: &Obj<'_>, reference: &OwnerReference, read: &Reader<'_>) -> Result<OwnerState, Failure> {
    let served = read.resources()?;
    let kind = served.iter().find(|s| s.resource.kind == reference.kind && s.resource.group == reference.group());
    let kind = kind.ok_or_else(|| {
        format!("no resource is served for owner kind {} of {}", reference.kind, reference.api_version)
    })?;
    if kind.namespaced && object.namespace.is_empty() {
        return Ok(OwnerState::Invalid);
    }
    let namespace = if kind.namespaced { object.namespace } else { "" };
    let known = read.objects(&Query::everything().namespace(namespace).name(&reference.name))?;
    let owner = match known.into_iter().find(|o| o.uid == reference.uid) {
        Some(owner) => Some(owner),
        None => read.find_live(&kind.resource, namespace, &reference.name)?.filter(|o| o.uid == reference.uid),
    };
    let Some(owner) = owner.map(|o| o.metadata()).transpose()? else { return Ok(OwnerState::Absent) };
    let waits = owner.is_terminating() && owner.finalizers.iter().any(|f| f == FOREGROUND);
    Ok(if waits { OwnerState::Waiting } else { OwnerState::Solid })
}

fn delete(object: &Obj<'_>, propagation: Propagation, ops: &mut Ops) {
    ops.delete(&object.resource, object.namespace, object.name).expect_uid(object.uid).propagation(propagation).done();
}

fn set_owners(object: &Obj<'_>, owners: &[&OwnerReference], ops: &mut Ops) {
    let owners = if owners.is_empty() { serde_json::Value::Null } else { json!(owners) };
    let patch =
        json!({"metadata": {"uid": object.uid, "resourceVersion": object.resource_version, "ownerReferences": owners}});
    ops.patch_merge(&object.resource, object.namespace, object.name, &patch).ignore_not_found().done();
}

fn remove_finalizer(object: &Obj<'_>, metadata: &Metadata, finalizer: &str, ops: &mut Ops) {
    let rest: Vec<&String> = metadata.finalizers.iter().filter(|f| *f != finalizer).collect();
    let rest = if rest.is_empty() { serde_json::Value::Null } else { json!(rest) };
    let patch =
        json!({"metadata": {"uid": object.uid, "resourceVersion": object.resource_version, "finalizers": rest}});
    ops.patch_merge(&object.resource, object.namespace, object.name, &patch).ignore_not_found().done();
}
