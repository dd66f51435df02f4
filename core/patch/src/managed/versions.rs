//! Entries of other versions than the writer's: what they own is looked at in their version.

use gantry_kinds::Type;
use gantry_meta::Object;

use super::{
    compare::{Unsaid, compare},
    entries::Entry,
    update::{RECORD, Writer},
};
use crate::engine::{FieldSet, Marks};

/// The versions that a kind is served in.
pub trait Versions: Sync {
    /// An object of version `from` as it is in version `to`, whole, and its type there. `None` if the kind has no such version, or
    /// the object is none of its kind.
    fn convert(&self, object: &Object, from: &str, to: &str) -> Option<(&Type, Object)>;
}

/// A kind that is served in the writer's version alone.
pub struct OneVersion;

impl Versions for OneVersion {
    fn convert(&self, _: &Object, _: &str, _: &str) -> Option<(&Type, Object)> {
        None
    }
}

/// What a write touches of an entry's set.
pub(crate) struct Touched<'a> {
    /// Set by the write, whether it was there before or not.
    pub written: FieldSet<'a>,
    pub removed: FieldSet<'a>,
}

impl<'a> Touched<'a> {
    fn of(entry: &Entry<'a>, changes: &FieldSet<'_>) -> Self {
        Self {
            written: entry.set.intersect(changes, Marks::WRITTEN),
            removed: entry.set.intersect(changes, Marks::REMOVED),
        }
    }

    pub fn take_from(&self, entry: &mut Entry<'_>) {
        entry.subtract(&self.written, Marks::OWNED);
        entry.subtract(&self.removed, Marks::OWNED);
    }
}

/// What the change of `old` into `new`, which is `changes` in the writer's version, touches of each entry. Entries of versions that
/// the kind does not have go: nobody can say what they own.
pub(crate) fn touched<'a>(
    writer: Writer<'_>,
    entries: &mut Vec<Entry<'a>>,
    (old, new): (&Object, &Object),
    changes: &FieldSet<'_>,
) -> Vec<Touched<'a>> {
    if entries.iter().all(|entry| entry.owner.api_version == writer.api_version) {
        return entries.iter().map(|entry| Touched::of(entry, changes)).collect();
    }
    let mut found = Vec::with_capacity(entries.len());
    entries.retain(|entry| {
        let touched = match entry.owner.api_version == writer.api_version {
            true => Some(Touched::of(entry, changes)),
            false => touched_elsewhere(writer, entry, old, new),
        };
        touched.map(|touched| found.push(touched)).is_some()
    });
    found
}

fn touched_elsewhere<'a>(writer: Writer<'_>, entry: &Entry<'a>, old: &Object, new: &Object) -> Option<Touched<'a>> {
    let convert = |object: &Object| writer.versions.convert(object, writer.api_version, &entry.owner.api_version);
    let ((ty, old), (_, new)) = (convert(old)?, convert(new)?);
    let mut changes = compare(ty, &old, &new, Unsaid::Zero);
    changes.remove_subtree(RECORD);
    writer.reset.iter().for_each(|path| changes.remove_subtree(path));
    Some(Touched::of(entry, &changes))
}
