//! `v1 DeleteOptions` on the wire.

use bytes::Bytes;
use gantry_runtime::{DeleteOptions, Propagation};
use serde_json::json;

/// `v1 DeleteOptions` with what is set.
pub(crate) fn delete_options(options: &DeleteOptions) -> Bytes {
    let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    if let Some(seconds) = options.grace_period_seconds {
        body["gracePeriodSeconds"] = seconds.into();
    }
    if let Some(propagation) = options.propagation {
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        body["propagationPolicy"] = policy.into();
    }
    for (member, value) in [("uid", &options.uid), ("resourceVersion", &options.resource_version)] {
        if let Some(value) = value {
            body["preconditions"][member] = value.as_str().into();
        }
    }
    body.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    pub(crate) fn delete_options_hold_what_is_set() {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some("u".into()),
            propagation: Some(Propagation::Foreground),
            ..DeleteOptions::default()
        };
        let body: serde_json::Value = serde_json::from_slice(&delete_options(&options)).unwrap();
        let wanted = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
            "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}});
        assert_eq!(body, wanted);
    }
}
