//! Conditions: at most one of a type; the time of transition moves only with the status.

use jiff::Timestamp;

use crate::model::Condition;

pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.kind == kind)
}

pub fn remove(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|c| c.kind != kind);
}

/// Forgets when a condition was last updated by dropping its reason, if it is this one: the next [`set`] replaces it and keeps
/// the time of transition.
pub fn touch(conditions: &mut [Condition], kind: &str, reason: &str) {
    for condition in conditions.iter_mut().filter(|c| c.kind == kind && c.reason == reason) {
        condition.reason.clear();
    }
}

/// Puts `new` last. One with the same status and reason stays as and where it is.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) {
    if let Some(old) = find(conditions, &new.kind) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time;
        }
    }
    remove(conditions, &new.kind);
    conditions.push(new);
}

/// A condition of a Deployment, updated and changed now.
pub fn deployment(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Condition {
    Condition {
        kind: kind.into(),
        status: status.into(),
        last_update_time: Some(now),
        last_transition_time: Some(now),
        reason: reason.into(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(9).unwrap());
        let mut all = vec![deployment("Progressing", "True", "A", "", first)];
        set(&mut all, deployment("Available", "True", "X", "", first));
        set(&mut all, deployment("Progressing", "True", "B", "", later));
        assert_eq!(all.iter().map(|c| c.kind.as_str()).collect::<Vec<_>>(), ["Available", "Progressing"]);
        assert_eq!((all[1].last_transition_time, all[1].last_update_time), (Some(first), Some(later)));
        set(&mut all, deployment("Progressing", "False", "B", "", later));
        assert_eq!(all[1].last_transition_time, Some(later));
    }
}
