//! When a request is no longer needed. Source: the reference page on certificate signing requests, "Request signing process".

use gantry_meta::{Value, time};
use jiff::{SignedDuration, Timestamp};

const DECIDED: SignedDuration = SignedDuration::from_hours(1);
const PENDING: SignedDuration = SignedDuration::from_hours(24);

/// When the request is to be deleted: an hour after it was decided, a day after it was made if nobody did.
pub(super) fn due(request: &Value) -> Option<Timestamp> {
    let at = |value: &Value| value.as_str().and_then(time::parse_time);
    let conditions = request["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let decided = conditions.iter().filter_map(|condition| at(&condition["lastUpdateTime"])).min();
    let (since, patience) = match decided {
        Some(decided) => (decided, DECIDED),
        None => (at(&request["metadata"]["creationTimestamp"])?, PENDING),
    };
    // Who decides may write any time.
    Some(since.checked_add(patience).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decided_requests_go_after_an_hour_and_others_after_a_day() {
        let made = "2030-01-01T00:00:00Z";
        let pending = json!({"metadata": {"creationTimestamp": made}});
        assert_eq!(due(&pending), "2030-01-02T00:00:00Z".parse().ok());
        let denied = json!({"metadata": {"creationTimestamp": made},
            "status": {"conditions": [{"type": "Denied", "lastUpdateTime": "2030-01-01T02:00:00Z"}]}});
        assert_eq!(due(&denied), "2030-01-01T03:00:00Z".parse().ok());
        let late = json!({"status": {"conditions": [{"type": "Denied", "lastUpdateTime": "9999-12-30T21:59:59Z"}]}});
        assert_eq!(due(&late), Some(Timestamp::MAX), "the end of time is no reason to panic");
    }
}
