//! events.k8s.io/v1 Event and core/v1 Event: the same thing under two names of its fields.

use gantry_kinds::{
    FieldName, Members as _,
    fields::{core_v1, events_v1},
};
use gantry_meta::Object;

use super::Conversion;

/// (events.k8s.io, core)
const RENAMED: &[(FieldName, FieldName)] = &[
    (events_v1::Event::REGARDING, core_v1::Event::INVOLVED_OBJECT),
    (events_v1::Event::NOTE, core_v1::Event::MESSAGE),
    (events_v1::Event::REPORTING_CONTROLLER, core_v1::Event::REPORTING_COMPONENT),
    (events_v1::Event::DEPRECATED_SOURCE, core_v1::Event::SOURCE),
    (events_v1::Event::DEPRECATED_FIRST_TIMESTAMP, core_v1::Event::FIRST_TIMESTAMP),
    (events_v1::Event::DEPRECATED_LAST_TIMESTAMP, core_v1::Event::LAST_TIMESTAMP),
    (events_v1::Event::DEPRECATED_COUNT, core_v1::Event::COUNT),
];

pub(super) struct EventsToCore;

type Pair = (FieldName, FieldName);

/// The object with each member that is the one of a pair under the name of the other.
fn renamed(object: Object, api_version: &str, one: fn(&Pair) -> FieldName, other: fn(&Pair) -> FieldName) -> Object {
    let name_of = |name: String| {
        let pair = RENAMED.iter().find(|pair| one(pair).as_str() == name);
        pair.map_or(name, |pair| other(pair).as_str().to_owned())
    };
    let mut out: Object = object.into_iter().map(|(name, value)| (name_of(name), value)).collect();
    out.set(core_v1::Event::API_VERSION, api_version);
    out
}

impl Conversion for EventsToCore {
    fn to_stored(&self, object: Object) -> Object {
        renamed(object, "v1", |(served, _)| *served, |(_, core)| *core)
    }

    fn to_served(&self, object: Object) -> Object {
        renamed(object, "events.k8s.io/v1", |(_, core)| *core, |(served, _)| *served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_converts_there_and_back() {
        let served = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"}, "note": "n",
            "regarding": {"name": "p"}, "reportingController": "c", "deprecatedCount": 2, "reason": "R"});
        let stored = EventsToCore.to_stored(served.as_object().unwrap().clone());
        assert_eq!((&stored["message"], &stored["involvedObject"]["name"]), (&json!("n"), &json!("p")));
        assert_eq!((&stored["apiVersion"], &stored["count"]), (&json!("v1"), &json!(2)));
        assert_eq!(json!(EventsToCore.to_served(stored)), served);
    }
}
