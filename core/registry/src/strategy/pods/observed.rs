//! `observedGeneration` of a status and its conditions: who leaves it out keeps it.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{Pod, PodCondition, PodStatus},
};
use gantry_meta::Object;

/// Of a status, and of its conditions.
const OBSERVED: FieldName = PodStatus::OBSERVED_GENERATION;

pub(super) fn keep(new: &mut Object, old: &Object) {
    let Some(status) = new.object_mut(Pod::STATUS) else { return };
    let before = old.object(Pod::STATUS);
    keep_in(status, before.map(generation).unwrap_or_default());
    let mut known: Vec<&Object> = before.into_iter().flat_map(|status| status.objects(PodStatus::CONDITIONS)).collect();
    for condition in status.objects_mut(PodStatus::CONDITIONS) {
        // Each of those of one type in turn.
        let kind = condition.member(PodCondition::TYPE);
        let same = known.iter().position(|known| known.member(PodCondition::TYPE) == kind);
        keep_in(condition, same.map(|at| generation(known.remove(at))).unwrap_or_default());
    }
}

fn generation(of: &Object) -> i64 {
    of.int(OBSERVED).unwrap_or_default()
}

fn keep_in(object: &mut Object, before: i64) {
    if generation(object) == 0 && before != 0 {
        object.set(OBSERVED, before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_was_observed_stays_with_the_status_and_each_condition() {
        let of = |status: Value| json!({ "status": status }).as_object().cloned().unwrap();
        let old = of(json!({"observedGeneration": 3, "conditions": [
            {"type": "Ready", "observedGeneration": 2}, {"type": "x/y", "observedGeneration": 1}]}));
        let mut new =
            of(json!({"conditions": [{"type": "x/y"}, {"type": "Ready", "observedGeneration": 4}, {"type": "z"}]}));
        keep(&mut new, &old);
        let expected = json!({"observedGeneration": 3, "conditions": [{"type": "x/y", "observedGeneration": 1},
            {"type": "Ready", "observedGeneration": 4}, {"type": "z"}]});
        assert_eq!(new["status"], expected);
    }
}
