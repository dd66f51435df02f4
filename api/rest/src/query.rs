//! Query strings: decoded once, read into typed options, refused as the reference refuses them.

use std::borrow::Cow;

use gantry_meta::Status;
use gantry_registry::{DeleteOptions, GetOptions, ListOptions, Preconditions, Propagation, dry_run_of};

use crate::path::has_escapes_only;

/// Decoded pairs in the order sent.
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub fn parse(text: &'a str) -> Self {
        // A semicolon was once a separator, and an escape that is none may be anything: pairs with one are dropped, as
        // nobody can say what they mean.
        let pairs = text.split('&').filter(|pair| !pair.contains(';') && has_escapes_only(pair));
        Self(pairs.flat_map(|pair| form_urlencoded::parse(pair.as_bytes())).collect())
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| &**v)
    }

    pub fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_owned()
    }

    pub fn all<'q>(&'q self, key: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| &**v)
    }

    /// False for an absent key, `0` and `false` in any case; true for any other text, the empty one included.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Result<Option<N>, Status> {
        match self.get(key) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Status::bad_request(format!("{key}: {text:?} is not a valid integer"))),
            },
        }
    }
}

pub fn get_options(query: &Query<'_>) -> GetOptions {
    GetOptions { resource_version: query.text("resourceVersion") }
}

pub fn list_options(query: &Query<'_>) -> Result<ListOptions, Status> {
    let timeout: Option<i64> = query.number("timeoutSeconds")?;
    Ok(ListOptions {
        label_selector: query.text("labelSelector"),
        field_selector: query.text("fieldSelector"),
        resource_version: query.text("resourceVersion"),
        resource_version_match: query.text("resourceVersionMatch"),
        limit: query.number("limit")?.unwrap_or_default(),
        continue_token: query.text("continue"),
        allow_watch_bookmarks: query.flag("allowWatchBookmarks"),
        send_initial_events: query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents")),
        timeout_seconds: timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0),
    })
}

/// Delete options from the query; a body replaces them altogether.
pub fn delete_options(query: &Query<'_>) -> Result<DeleteOptions, Status> {
    let orphan = query.get("orphanDependents").map(|_| query.flag("orphanDependents"));
    let condition = |key: &str| query.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
    Ok(DeleteOptions {
        dry_run: dry_run_of(query.all("dryRun"), DeleteOptions::KIND)?,
        grace_period_seconds: query.number("gracePeriodSeconds")?,
        preconditions: Preconditions { uid: condition("uid"), resource_version: condition("resourceVersion") },
        propagation: Propagation::of(query.get("propagationPolicy"), orphan)?,
        asks_to_cascade: orphan == Some(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_false_only_when_absent_zero_or_false() {
        let query = Query::parse("a&b=0&c=False&d=maybe&e=1");
        assert_eq!(["a", "b", "c", "d", "e", "f"].map(|k| query.flag(k)), [true, false, false, true, true, false]);
    }

    #[test]
    fn an_empty_condition_of_a_deletion_is_none() {
        let conditions = |text: &str| delete_options(&Query::parse(text)).unwrap().preconditions;
        let asked = conditions("uid=u&resourceVersion=7");
        assert_eq!((asked.uid.as_deref(), asked.resource_version.as_deref()), (Some("u"), Some("7")));
        let none = conditions("uid=&resourceVersion=");
        assert_eq!((none.uid, none.resource_version), (None, None));
    }

    #[test]
    fn numbers_that_are_none_are_bad_requests() {
        assert_eq!(list_options(&Query::parse("limit=one")).unwrap_err().code, 400);
        assert_eq!(list_options(&Query::parse("timeoutSeconds=x")).unwrap_err().code, 400);
        assert_eq!(list_options(&Query::parse("limit=")).unwrap_err().code, 400);
        assert_eq!(list_options(&Query::parse("limit=3;x&continue=y")).unwrap().limit, 0, "dropped");
        assert_eq!(list_options(&Query::parse("limit=%zz&continue=y%")).unwrap(), ListOptions::default(), "dropped");
        let read = list_options(&Query::parse("limit=5&timeoutSeconds=9&labelSelector=a%3Db")).unwrap();
        assert_eq!((read.limit, read.timeout_seconds, read.label_selector.as_str()), (5, Some(9), "a=b"));
    }
}
