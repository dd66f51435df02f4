//! events.k8s.io/v1 Event and core/v1 Event: the same thing under two names of its fields.

use gantry_meta::Object;

use super::Conversion;

/// (events.k8s.io, core)
const RENAMED: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

pub(super) struct EventsToCore;

fn renamed(object: Object, api_version: &str, name_of: impl Fn(&str) -> Option<&'static str>) -> Object {
    let mut out: Object =
        object.into_iter().map(|(name, value)| (name_of(&name).map_or(name, str::to_owned), value)).collect();
    out.insert("apiVersion".into(), api_version.into());
    out
}

impl Conversion for EventsToCore {
    fn to_stored(&self, object: Object) -> Object {
        renamed(object, "v1", |name| RENAMED.iter().find(|(served, _)| *served == name).map(|(_, core)| *core))
    }

    fn to_served(&self, object: Object) -> Object {
        renamed(object, "events.k8s.io/v1", |name| {
            RENAMED.iter().find(|(_, core)| *core == name).map(|(served, _)| *served)
        })
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
