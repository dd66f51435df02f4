//! Persistent volumes are born Pending.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{PersistentVolume, PersistentVolumeStatus},
    object,
};
use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

use super::Strategy;

pub(super) struct PersistentVolumes;

const PHASE: FieldName = PersistentVolumeStatus::PHASE;
const MOVED: FieldName = PersistentVolumeStatus::LAST_PHASE_TRANSITION_TIME;

fn of_status(volume: &Object, member: FieldName) -> Option<&Value> {
    volume.object(PersistentVolume::STATUS)?.member(member)
}

fn now() -> Value {
    time::format_time(Timestamp::now()).into()
}

impl Strategy for PersistentVolumes {
    fn prepare_create(&self, volume: &mut Object) {
        let born = object! { PHASE => PersistentVolumeStatus::PHASE_DEFAULT, MOVED => now() };
        volume.set(PersistentVolume::STATUS, born);
    }

    /// Who moves a volume to another phase need not say when; the time of the last move stays until the next.
    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        let (stated, before) = (of_status(new, MOVED).cloned(), of_status(old, MOVED).cloned());
        let is_moved = of_status(new, PHASE) != of_status(old, PHASE);
        let moved = match stated {
            None if is_moved => now(),
            Some(stated) if is_moved && Some(&stated) == before.as_ref() => now(),
            None => before.unwrap_or_default(),
            Some(_) => return,
        };
        if subresource == "status"
            && let Some(status) = new.made(PersistentVolume::STATUS)
        {
            status.set(MOVED, moved);
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_of_the_last_move_is_the_servers_unless_it_is_stated() {
        const BEFORE: &str = "2026-01-02T03:04:05Z";
        let of = |phase: &str, moved: Value| {
            let status = json!({"status": {"phase": phase, "lastPhaseTransitionTime": moved}});
            status.as_object().cloned().unwrap()
        };
        let old = of("Available", BEFORE.into());
        let moved = |phase: &str, stated: Value| {
            let mut new = of(phase, stated);
            PersistentVolumes.prepare_update("status", &mut new, &old);
            new["status"]["lastPhaseTransitionTime"].clone()
        };
        assert_eq!(moved("Available", Value::Null), BEFORE);
        assert_eq!(moved("Bound", "2026-05-06T07:08:09Z".into()), "2026-05-06T07:08:09Z");
        for stated in [Value::Null, BEFORE.into()] {
            assert!(moved("Bound", stated).as_str().is_some_and(|time| time > BEFORE));
        }
    }
}
