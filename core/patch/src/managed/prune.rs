//! What an applier no longer states goes, unless somebody else owns it or nobody ever did.

use gantry_kinds::Type;
use gantry_meta::Object;

use super::{entries::Entry, extract::field_set, update::Writer};
use crate::engine::{FieldSet, Marks, Parts, remove};

/// Takes out of `merged` what `last` (the applier's entry before) holds, and neither `others` nor `stated` (its set now) does.
pub(crate) fn prune(
    writer: Writer<'_>,
    merged: Object,
    last: &Entry<'_>,
    others: &[Entry<'_>],
    stated: &FieldSet<'_>,
) -> Object {
    let sets = others.iter().map(|entry| (entry.owner.api_version.as_str(), &entry.set));
    let sets: Vec<(&str, &FieldSet<'_>)> = sets.chain([(writer.api_version, stated)]).collect();
    let version = last.owner.api_version.as_str();
    if sets.iter().all(|(of, _)| *of == version) {
        return pruned(writer.ty, &merged, &last.set, &union_of(&sets, version)).unwrap_or(merged);
    }
    let across = Across { writer, version, last: &last.set, sets: &sets };
    across.pruned(&merged).unwrap_or(merged)
}

/// What is owned in one version.
fn union_of<'a>(sets: &[(&str, &FieldSet<'a>)], version: &str) -> FieldSet<'a> {
    let of_version = sets.iter().filter(|(of, _)| *of == version);
    of_version.fold(FieldSet::default(), |all, (_, set)| all.union((*set).clone()))
}

/// `None` if nothing goes.
fn pruned(ty: &Type, merged: &Object, last: &FieldSet<'_>, owned: &FieldSet<'_>) -> Option<Object> {
    let root = Parts::owned(ty);
    let (last, owned) = (with_named_fields(last, root), with_named_fields(owned, root));
    if last.is_within(&owned) {
        return None;
    }
    // Everything the applier had goes, but for what others own with what is in it ...
    let kept = with_owned(ty, merged, &without(ty, merged, &last), &owned);
    // ... and for what the applier never had.
    Some(without(ty, merged, &lost(ty, merged, &kept).intersect(&last, Marks::OWNED)))
}

/// `merged` without what `less` lacks and nobody owns.
fn with_owned(ty: &Type, merged: &Object, less: &Object, owned: &FieldSet<'_>) -> Object {
    let mut unowned = lost(ty, merged, less);
    unowned.subtract(owned, Marks::OWNED);
    without(ty, merged, &unowned)
}

/// The fields of `merged` that `less` lacks.
fn lost<'a>(ty: &'a Type, merged: &'a Object, less: &'a Object) -> FieldSet<'a> {
    let root = Parts::owned(ty);
    let mut all = with_named_fields(&field_set(ty, merged), root);
    all.subtract(&with_named_fields(&field_set(ty, less), root), Marks::OWNED);
    all
}

fn without(ty: &Type, object: &Object, doomed: &FieldSet<'_>) -> Object {
    let mut object = object.clone();
    remove(Parts::owned(ty), &mut object, doomed);
    object
}

/// The same where entries are of several versions: what each owns is kept in its own, one version after the other.
struct Across<'a> {
    writer: Writer<'a>,
    /// Of the applier's last set.
    version: &'a str,
    last: &'a FieldSet<'a>,
    sets: &'a [(&'a str, &'a FieldSet<'a>)],
}

impl<'a> Across<'a> {
    fn convert(&self, object: &Object, from: &str, to: &str) -> Option<(&'a Type, Object)> {
        if from == to && to == self.writer.api_version {
            return Some((self.writer.ty, object.clone()));
        }
        let (ty, converted) = self.writer.versions.convert(object, from, to)?;
        Some((ty, if from == to { object.clone() } else { converted }))
    }

    /// The versions of all sets, that of the last one first.
    fn versions(&self) -> Vec<&'a str> {
        let mut versions = vec![self.version];
        for (of, _) in self.sets {
            if !versions.contains(of) {
                versions.push(of);
            }
        }
        versions
    }

    fn pruned(&self, merged: &Object) -> Option<Object> {
        let (ty, whole) = self.convert(merged, self.writer.api_version, self.version)?;
        let last = with_named_fields(self.last, Parts::owned(ty));
        let (mut at, mut all, mut less) = (self.version, whole.clone(), without(ty, &whole, &last));
        for version in self.versions() {
            let (Some((ty, all_here)), Some((_, less_here))) =
                (self.convert(&all, at, version), self.convert(&less, at, version))
            else {
                continue;
            };
            let owned = with_named_fields(&union_of(self.sets, version), Parts::owned(ty));
            less = with_owned(ty, &all_here, &less_here, &owned);
            (at, all) = (version, all_here);
        }
        let (_, less) = self.convert(&less, at, self.version)?;
        let doomed = lost(ty, &whole, &less).intersect(&last, Marks::OWNED);
        let kept = without(ty, &whole, &doomed);
        self.convert(&kept, self.version, self.writer.api_version).map(|(_, kept)| kept)
    }
}

/// The set, and the fields of structs that hold something in it.
fn with_named_fields<'a>(set: &FieldSet<'a>, parts: Parts<'_>) -> FieldSet<'a> {
    let mut named = FieldSet(Vec::with_capacity(set.0.len()));
    for node in &set.0 {
        let field = node.element.field_name();
        let holds = !node.below.is_empty() && field.is_some_and(|name| parts.names_field(name));
        let marks = if holds { Marks::OWNED } else { node.marks };
        let below = field.map_or_else(|| parts.of_item(), |name| parts.of_member(name));
        named.push(node.element.clone(), marks, with_named_fields(&node.below, below));
    }
    named
}
