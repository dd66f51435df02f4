//! Which options of list and watch go together.

use gantry_meta::{Cause, CauseType, Status};

use crate::request::ListOptions;

const MATCH: &str = "resourceVersionMatch";
const EXACT: &str = "Exact";
const NOT_OLDER_THAN: &str = "NotOlderThan";

fn forbidden(field: &str, why: &'static str) -> Cause {
    Cause::new(CauseType::FieldValueForbidden, field, why)
}

fn unsupported(options: &ListOptions, supported: &str) -> Cause {
    let message = format!("Unsupported value: {:?}: supported values: {supported}", options.resource_version_match);
    Cause::new(CauseType::FieldValueNotSupported, MATCH, message)
}

fn refused(causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes)) }
}

/// 422 with a cause for each rule that the options of a list break.
pub(crate) fn check_list(options: &ListOptions) -> Result<(), Status> {
    let mut causes = Vec::new();
    let wanted = options.resource_version_match.as_str();
    if !wanted.is_empty() {
        if options.resource_version.is_empty() {
            causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !options.continue_token.is_empty() {
            causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if wanted != EXACT && wanted != NOT_OLDER_THAN {
            causes.push(unsupported(options, "Exact, NotOlderThan"));
        }
        if wanted == EXACT && options.resource_version == "0" {
            causes.push(forbidden(MATCH, "resourceVersionMatch Exact is forbidden for resourceVersion 0"));
        }
    }
    if options.send_initial_events.is_some() {
        causes.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    refused(causes)
}

/// 422 with a cause for each rule that the options of a watch break.
pub(crate) fn check_watch(options: &ListOptions) -> Result<(), Status> {
    let mut causes = Vec::new();
    let wanted = options.resource_version_match.as_str();
    // A watch from no version, or from any, begins with what there is, as if it had asked to.
    let begins_anew = options.send_initial_events.is_none()
        && wanted.is_empty()
        && matches!(options.resource_version.as_str(), "" | "0");
    if begins_anew && !options.continue_token.is_empty() {
        causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if options.send_initial_events.is_some() && wanted != NOT_OLDER_THAN {
        causes.push(forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !wanted.is_empty() {
        if options.send_initial_events.is_none() {
            causes.push(forbidden(
                MATCH,
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        if wanted != NOT_OLDER_THAN {
            causes.push(unsupported(options, NOT_OLDER_THAN));
        }
        if !options.continue_token.is_empty() {
            causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    refused(causes)
}

/// A resourceVersion of a request: `None` where it is not given, 400 where it is no number.
pub(crate) fn version(text: &str) -> Result<Option<u64>, Status> {
    match text {
        "" => Ok(None),
        // A sign in front is no digit, which Rust would read over.
        digits => match digits.parse() {
            Ok(version) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(version)),
            _ => Err(Status::bad_request(format!("resourceVersion: {text:?} is not a resource version"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(checked: Result<(), Status>) -> Vec<(String, CauseType)> {
        let Err(status) = checked else { return Vec::new() };
        assert_eq!((status.code, status.details.as_ref().unwrap().kind.as_str()), (422, "ListOptions"));
        status.details.unwrap().causes.into_iter().map(|c| (c.field, c.reason.unwrap())).collect()
    }

    fn options(version: &str, wanted: &str) -> ListOptions {
        ListOptions {
            resource_version: version.into(),
            resource_version_match: wanted.into(),
            ..ListOptions::default()
        }
    }

    #[test]
    fn a_list_takes_a_match_only_with_a_version_it_fits() {
        assert_eq!(causes(check_list(&options("0", "NotOlderThan"))), []);
        assert_eq!(causes(check_list(&options("", "NotOlderThan"))).len(), 1);
        assert_eq!(causes(check_list(&options("0", "Exact"))).len(), 1);
        let both = causes(check_list(&options("", "Newest")));
        assert_eq!(
            both.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(),
            [CauseType::FieldValueForbidden, CauseType::FieldValueNotSupported]
        );
    }

    #[test]
    fn a_version_is_digits_alone() {
        assert_eq!(version("").map_err(|status| status.code), Ok(None));
        assert_eq!(version("0042").map_err(|status| status.code), Ok(Some(42)));
        for bad in ["+1", "-1", " 1", "1.0", "x", "18446744073709551616"] {
            assert_eq!(version(bad).map_err(|status| status.code), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn a_streaming_list_must_say_not_older_than() {
        let streaming = |wanted| ListOptions { send_initial_events: Some(true), ..options("", wanted) };
        assert_eq!(causes(check_watch(&streaming("NotOlderThan"))), []);
        assert_eq!(causes(check_watch(&streaming(""))).len(), 1);
        assert_eq!(causes(check_watch(&streaming("Exact"))).len(), 2);
        assert_eq!(causes(check_watch(&options("1", "NotOlderThan"))).len(), 1);
        let continued = |version| ListOptions { continue_token: "x".into(), ..options(version, "") };
        assert_eq!(causes(check_watch(&continued("0"))).len(), 1);
        assert_eq!(causes(check_watch(&continued("7"))), []);
    }
}
