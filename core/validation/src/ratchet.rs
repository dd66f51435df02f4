//! Rules that came after objects were stored that break them: an update is not held to one that the stored object breaks.
//!
//! The reference looks at the stored object before it decides which rules to run. Here the rules run, each of these under its
//! name, and only where one of them finds something are they run on the stored object as well: what both break is forgiven.

use gantry_meta::Cause;

use crate::field::Causes;

/// A rule that what is stored may break. Which part of an object broke it does not matter, but where it is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ratchet {
    /// `controller.kubernetes.io/pod-deletion-cost` is a number.
    PodDeletionCost,
    /// Amounts of huge pages are multiples of the page.
    HugePageMultiple,
    /// Values of selectors are values that a label may have.
    SelectorValue,
    /// Values of a required node affinity are values that a label may have.
    NodeAffinityValue,
    /// Selectors of topology spread constraints are sound.
    SpreadSelector,
    /// `matchLabelKeys` of topology spread constraints fit the selector.
    MatchLabelKeys,
    /// Paths of projected tokens stay within their volume.
    TokenPath,
    /// Sysctls of namespaces that a pod shares with the host.
    HostSysctl,
    /// Containers that end are not restarted to be resized.
    ResizeOfInitContainer,
    /// Block devices in a user namespace of their own.
    DevicesOfUserNamespace,
    /// Names of the secrets of an ingress.
    IngressSecret,
    /// Paths below a host with a wildcard.
    WildcardHost,
    /// A webhook says that it has no side effects.
    SideEffects,
    /// A webhook takes a version of reviews that there is.
    ReviewVersion,
    /// Webhooks of one configuration differ in their names.
    WebhookName,
    /// `dataSource` and `dataSourceRef` of claims name a group.
    ClaimSource,
    /// A template of a stateful set.
    StatefulTemplate,
    /// A schedule that names its time zone.
    ScheduleZone,
    /// A value, where the stored object has the same one: addresses, time zones.
    Value,
}

impl Ratchet {
    /// Whether what was found now was found in the stored object as well.
    fn stood(self, cause: &Cause, before: &Causes) -> bool {
        let same = |(found, of): &(Cause, Option<Self>)| {
            *of == Some(self) && (self != Self::Value || found.message == cause.message)
        };
        before.0.iter().any(same)
    }
}

impl Causes {
    /// What `check` finds is of a rule that the stored object may break. Within another such rule it is that one's.
    pub fn ratcheted(&mut self, of: Ratchet, check: impl FnOnce(&mut Self)) {
        let before = self.0.len();
        check(self);
        for (_, already) in self.0[before..].iter_mut() {
            *already = Some(of);
        }
    }

    /// Whether something was found under a rule that the stored object may break.
    pub fn is_ratcheted(&self) -> bool {
        self.0.iter().any(|(_, of)| of.is_some())
    }

    /// Drops what the stored object, whose causes are `before`, breaks as well.
    pub fn forgive(&mut self, before: &Self) {
        self.0.retain(|(cause, of)| !of.is_some_and(|of| of.stood(cause, before)));
    }
}
