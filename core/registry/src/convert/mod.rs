//! Kinds that are served in another form than they are stored in.

mod event;
pub(crate) mod horizontal_pod_autoscaler;

use std::borrow::Cow;

use gantry_kinds::{Resource, catalog};
use gantry_meta::Object;

use crate::served::stored_version;

/// Rewrites a whole object; kind and apiVersion too.
pub(crate) trait Conversion: Send + Sync {
    fn to_stored(&self, object: Object) -> Object;
    fn to_served(&self, object: Object) -> Object;

    /// Whether objects are checked in the form that they are stored in, as the one they are served in hides parts of them.
    fn checks_stored(&self) -> bool {
        false
    }

    /// Whether what a client sends is converted there and back before anything else is done with it: where it says the same
    /// thing twice, one of both counts.
    fn settles_first(&self) -> bool {
        false
    }
}

/// `None` where both are the same.
pub(crate) fn between(served: &Resource, stored: &Resource) -> Option<&'static dyn Conversion> {
    if (&served.group, &served.version) == (&stored.group, &stored.version) {
        return None;
    }
    match (&*served.group, &*served.plural) {
        ("events.k8s.io", "events") => Some(&event::EventsToCore),
        ("autoscaling", "horizontalpodautoscalers") => Some(&horizontal_pod_autoscaler::V1ToV2),
        _ => None,
    }
}

/// How objects of a served version look in the form that they are stored in.
pub struct StoredForm(Option<&'static dyn Conversion>);

impl StoredForm {
    /// Of a version of a built-in kind; others are stored as they are served.
    pub fn of(served: &Resource) -> Self {
        let (group, version) = stored_version(catalog(), served);
        let stored = catalog().resource(group, version, &served.plural);
        Self(stored.and_then(|stored| between(served, stored)))
    }

    /// The object as it is stored: itself, unless that is another form.
    pub fn see<'a>(&self, object: &'a Object) -> Cow<'a, Object> {
        match self.0 {
            None => Cow::Borrowed(object),
            Some(conversion) => Cow::Owned(conversion.to_stored(object.clone())),
        }
    }
}
