//! `observedGeneration` of a status and its conditions: who leaves it out keeps it.

use gantry_meta::{Object, Value};

const OBSERVED: &str = "observedGeneration";

pub(super) fn keep(new: &mut Object, old: &Object) {
    let Some(status) = new.get_mut("status").and_then(Value::as_object_mut) else { return };
    let before = old.get("status");
    keep_in(status, before.map(generation).unwrap_or_default());
    let mut known: Vec<&Value> =
        before.and_then(|status| status.get("conditions")?.as_array()).into_iter().flatten().collect();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten();
    for condition in conditions.filter_map(Value::as_object_mut) {
        // Each of those of one type in turn.
        let same = known.iter().position(|known| known.get("type") == condition.get("type"));
        keep_in(condition, same.map(|at| generation(known.remove(at))).unwrap_or_default());
    }
}

fn generation(of: &Value) -> i64 {
    of.get(OBSERVED).and_then(Value::as_i64).unwrap_or_default()
}

fn keep_in(object: &mut Object, before: i64) {
    let is_unset = object.get(OBSERVED).and_then(Value::as_i64).unwrap_or_default() == 0;
    if is_unset && before != 0 {
        object.insert(OBSERVED.into(), before.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
