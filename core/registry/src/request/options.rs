//! Options of requests, typed. What a transport cannot type is refused through [`super::ApiRequest::Unacceptable`].

use gantry_meta::{Cause, CauseType, Object, ObjectView, Status, Value};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Longest field manager, in bytes.
pub const MAX_FIELD_MANAGER_BYTES: usize = 128;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GetOptions {
    /// Empty: the newest. Otherwise not older than this.
    pub resource_version: String,
}

/// Options of list and watch, as sent; their rules are checked by [`crate::Executor::execute`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    pub resource_version: String,
    /// Empty, `Exact` or `NotOlderThan`.
    pub resource_version_match: String,
    /// 0: everything.
    pub limit: i64,
    pub continue_token: String,
    pub allow_watch_bookmarks: bool,
    pub send_initial_events: Option<bool>,
    /// A watch ends after this; `None`: after a random time between 30 and 60 minutes.
    pub timeout_seconds: Option<u64>,
}

/// What happens to fields that the kind does not have, or that stand twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl FieldValidation {
    /// Empty means `Warn`. `options_kind` (`CreateOptions`, ...) names the refusal's details.
    pub fn parse(text: &str, options_kind: &str) -> Result<Self, Status> {
        match text {
            "Ignore" => Ok(Self::Ignore),
            "" | "Warn" => Ok(Self::Warn),
            "Strict" => Ok(Self::Strict),
            other => Err(not_supported(options_kind, "fieldValidation", other, &["Ignore", "Warn", "Strict"])),
        }
    }
}

/// Options of create, update and patch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WriteOptions {
    pub dry_run: bool,
    /// Empty: taken from the user agent.
    pub field_manager: String,
    pub field_validation: FieldValidation,
}

/// What happens to an object's dependents when it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

impl Propagation {
    const NAMES: &[&str] = &["Foreground", "Background", "Orphan"];

    /// Reads `propagationPolicy` and the older `orphanDependents`, of which at most one may be given.
    pub fn of(policy: Option<&str>, orphan_dependents: Option<bool>) -> Result<Option<Self>, Status> {
        match (policy, orphan_dependents) {
            (Some(_), Some(_)) => {
                let why = "orphanDependents and propagationPolicy cannot be both set";
                let cause = Cause::new(CauseType::FieldValueInvalid, "propagationPolicy", why);
                Err(Status::invalid("meta.k8s.io", DeleteOptions::KIND, "", vec![cause]))
            }
            (Some("Orphan"), None) | (None, Some(true)) => Ok(Some(Self::Orphan)),
            (Some("Background"), None) | (None, Some(false)) => Ok(Some(Self::Background)),
            (Some("Foreground"), None) => Ok(Some(Self::Foreground)),
            (Some(other), None) => Err(not_supported(DeleteOptions::KIND, "propagationPolicy", other, Self::NAMES)),
            (None, None) => Ok(None),
        }
    }
}

/// What must hold of the stored object; else 409.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteOptions {
    pub dry_run: bool,
    /// 0 deletes at once; `None` takes the kind's or the object's own.
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Preconditions,
    /// `None`: the kind's own.
    pub propagation: Option<Propagation>,
    /// `orphanDependents: false` in so many words: a deletion that is held is then answered with 202.
    pub asks_to_cascade: bool,
}

impl DeleteOptions {
    pub const KIND: &str = "DeleteOptions";

    /// Reads a DeleteOptions object of any API group.
    pub fn from_object(options: &Object) -> Result<Self, Status> {
        let kind = options.kind();
        if !kind.is_empty() && kind != Self::KIND {
            return Err(Status::bad_request(format!("a delete takes DeleteOptions, not {kind}")));
        }
        let preconditions = options.get("preconditions");
        let wanted = |member: &str| preconditions?.get(member)?.as_str().map(str::to_owned);
        let dry_run = options.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let policy = options.get("propagationPolicy").and_then(Value::as_str);
        let orphan = options.get("orphanDependents").and_then(Value::as_bool);
        Ok(Self {
            dry_run: dry_run_of(dry_run, Self::KIND)?,
            grace_period_seconds: options.get("gracePeriodSeconds").and_then(Value::as_i64),
            preconditions: Preconditions { uid: wanted("uid"), resource_version: wanted("resourceVersion") },
            propagation: Propagation::of(policy, orphan)?,
            asks_to_cascade: orphan == Some(false),
        })
    }
}

/// Reads the `dryRun` values: none, or `All` alone.
pub fn dry_run_of<'a>(values: impl IntoIterator<Item = &'a str>, options_kind: &str) -> Result<bool, Status> {
    let mut dry_run = false;
    for value in values {
        match value {
            "All" => dry_run = true,
            other => return Err(not_supported(options_kind, "dryRun", other, &["All"])),
        }
    }
    Ok(dry_run)
}

/// What is wrong with the name of a field manager: its length, or a character that cannot be seen.
pub fn field_manager_causes(manager: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if manager.len() > MAX_FIELD_MANAGER_BYTES {
        let why = format!("Too long: may not be more than {MAX_FIELD_MANAGER_BYTES} bytes");
        causes.push(Cause::new(CauseType::FieldValueTooLong, "fieldManager", why));
    }
    if let Some(at) = manager.chars().position(|c| !is_printable(c)) {
        let why = format!("must be of printable characters, which the one at {at} is not");
        causes.push(Cause::new(CauseType::FieldValueInvalid, "fieldManager", why));
    }
    causes
}

/// Letters, marks, numbers, punctuation, symbols, and of all kinds of space the plain one.
fn is_printable(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol};
    c == ' ' || matches!(c.general_category_group(), Letter | Mark | Number | Punctuation | Symbol)
}

fn not_supported(options_kind: &str, field: &str, value: &str, supported: &[&str]) -> Status {
    let list = supported.join(", ");
    let message = format!("Unsupported value: {value:?}: supported values: {list}");
    let cause = Cause::new(CauseType::FieldValueNotSupported, field, message);
    Status::invalid("meta.k8s.io", options_kind, "", vec![cause])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_manager_is_short_and_can_be_seen() {
        let count = |manager: &str| field_manager_causes(manager).len();
        for fine in ["", "kubectl edit", "größe-3", "名前", "\u{fffd}", &"m".repeat(MAX_FIELD_MANAGER_BYTES)] {
            assert_eq!(count(fine), 0, "{fine:?}");
        }
        for bad in ["a\nb", "\u{7}", "\u{200b}", "\u{a0}", "\u{ad}", "\u{e000}", &"é".repeat(65)] {
            assert_eq!(count(bad), 1, "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_dry_run_value_is_invalid_and_names_the_field() {
        assert_eq!(dry_run_of(["All"], "CreateOptions"), Ok(true));
        assert_eq!(dry_run_of([], "CreateOptions"), Ok(false));
        assert!(dry_run_of([""], "CreateOptions").is_err(), "what is stated must be a value");
        let refusal = dry_run_of(["Half"], "CreateOptions").unwrap_err();
        let details = refusal.details.unwrap();
        assert_eq!(
            (refusal.code, details.kind.as_str(), details.group.as_str()),
            (422, "CreateOptions", "meta.k8s.io")
        );
        assert_eq!(details.causes[0].field, "dryRun");
    }
}
