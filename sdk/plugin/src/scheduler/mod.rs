//! Scheduler plugins: what a pod needs of a node, and which node suits it best.

mod nodes;
mod pod;
mod shim;

use std::time::Duration;

use gantry_abi as abi;
pub use nodes::{List, Nodes};
pub use pod::Pod;
pub use shim::{Verdict, Verdicts};

use crate::{Cx, Failure, Plugin};

/// An interned text of the node table: compare it, or turn it into text with [`Cx::text`].
pub type Sid = abi::Sid;

/// Which hooks a plugin implements; those left out are never called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hooks(u32);

impl Hooks {
    /// `pre_enqueue`
    pub const ENQUEUE: Self = Self(1);
    /// `pre_filter`, `filter`, `pods_changed`
    pub const FILTER: Self = Self(2);
    /// `score`, `normalize`
    pub const SCORE: Self = Self(4);
    /// `reserve`, `unreserve`, `permit`, `pre_bind`, `post_bind`
    pub const BIND: Self = Self(8);
    /// `EVENTS`, `hint`
    pub const EVENTS: Self = Self(16);
    pub const ALL: Self = Self(31);

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What `pre_filter` found for the pod as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PreFiltered {
    /// Any node may fit: ask `filter`.
    Any,
    /// The plugin has nothing to say about this pod: `filter` is not asked.
    Skip,
    /// No other rows can fit.
    Rows(Vec<u32>),
}

/// Whether `score` has anything to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scored {
    Yes,
    /// All nodes are alike: `normalize` is not asked.
    Skip,
}

/// Whether the pod may be bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    Allow,
    /// Not yet; refused when this time is over.
    Wait(Duration),
}

/// What may make a pod schedulable that the plugin refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    pub group: &'static str,
    /// `nodes`, or `pods` (those that have a node).
    pub resource: &'static str,
    /// `gantry_plugin::abi::ACTION_...`
    pub actions: u32,
}

/// Something that happened in the cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterEvent<'a> {
    pub group: &'a str,
    pub resource: &'a str,
    pub actions: u32,
    /// JSON; empty where there is none.
    pub old: &'a [u8],
    pub new: &'a [u8],
}

/// A plugin of the scheduling framework. Nodes come as columns: one call looks at all candidates.
///
/// Failures: [`Failure::unschedulable`], [`Failure::unresolvable`] and [`Failure::pending`] speak about the pod; any other
/// failure is an error, and the pod is tried again.
pub trait Scheduler: Plugin {
    /// What the hooks of one pod's cycle share.
    type Cycle: Clone + Default + Send + 'static;

    /// Columns of the node table, as `gantry/plugin.h` lists them. [`Nodes`] finds them by their index here. `pod.json` asks
    /// for [`Pod::decode`].
    const COLUMNS: &'static [&'static str] = &[];
    const HOOKS: Hooks = Hooks::ALL;
    /// What may make a refused pod schedulable.
    const EVENTS: &'static [Interest] = &[Interest { group: "", resource: "*", actions: abi::ACTION_ALL }];

    /// Keeps a pod out of the queue.
    ///
    /// # Errors
    /// Why it is kept out.
    fn pre_enqueue(&self, cx: &Cx<'_>, pod: &Pod<'_>) -> Result<(), Failure> {
        let _ = (cx, pod);
        Ok(())
    }

    /// Looks at the pod once, before its nodes.
    ///
    /// # Errors
    /// No node can take the pod, for this reason.
    fn pre_filter(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &mut Self::Cycle,
    ) -> Result<PreFiltered, Failure> {
        let _ = (cx, pod, nodes, cycle);
        Ok(PreFiltered::Any)
    }

    /// Refuses nodes among [`Nodes::selected`].
    ///
    /// # Errors
    /// The nodes could not be judged.
    fn filter(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Self::Cycle,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let _ = (cx, pod, nodes, cycle, verdicts);
        Ok(())
    }

    /// Follows pods that come to or leave a row in a what-if run.
    ///
    /// # Errors
    /// The state cannot follow.
    fn pods_changed(
        &self,
        cx: &Cx<'_>,
        row: u32,
        added: &[Pod<'_>],
        removed: &[Pod<'_>],
        cycle: &mut Self::Cycle,
    ) -> Result<(), Failure> {
        let _ = (cx, row, added, removed, cycle);
        Ok(())
    }

    /// Any number for each of [`Nodes::selected`]; more is better.
    ///
    /// # Errors
    /// The nodes could not be judged.
    fn score(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Self::Cycle,
        scores: &mut [i64],
    ) -> Result<Scored, Failure> {
        let _ = (cx, pod, nodes, cycle, scores);
        Ok(Scored::Skip)
    }

    /// Brings the scores into 0 to 100.
    fn normalize(&self, scores: &mut [i64]) {
        let _ = scores;
    }

    /// The pod is to go to `node`.
    ///
    /// # Errors
    /// It cannot, for this reason.
    fn reserve(&self, cx: &Cx<'_>, pod: &Pod<'_>, node: &str, cycle: &mut Self::Cycle) -> Result<(), Failure> {
        let _ = (cx, pod, node, cycle);
        Ok(())
    }

    /// It does not go there after all. Called any number of times.
    fn unreserve(&self, cx: &Cx<'_>, pod: &Pod<'_>, node: &str, cycle: &mut Self::Cycle) {
        let _ = (cx, pod, node, cycle);
    }

    /// # Errors
    /// The pod may not be bound, for this reason.
    fn permit(&self, cx: &Cx<'_>, pod: &Pod<'_>, node: &str, cycle: &mut Self::Cycle) -> Result<Permit, Failure> {
        let _ = (cx, pod, node, cycle);
        Ok(Permit::Allow)
    }

    /// A JSON merge patch of the pod that is written before it is bound.
    ///
    /// # Errors
    /// The pod cannot be bound, for this reason.
    fn pre_bind(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        node: &str,
        cycle: &mut Self::Cycle,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let _ = (cx, pod, node, cycle);
        Ok(None)
    }

    /// The pod is bound.
    fn post_bind(&self, cx: &Cx<'_>, pod: &Pod<'_>, node: &str, cycle: &mut Self::Cycle) {
        let _ = (cx, pod, node, cycle);
    }

    /// Which of the refused pods are worth another try after an event; all, unless set to false.
    ///
    /// # Errors
    /// All pods are tried.
    fn hint(&self, cx: &Cx<'_>, event: &ClusterEvent<'_>, pods: &[Pod<'_>], queue: &mut [bool]) -> Result<(), Failure> {
        let _ = (cx, event, pods, queue);
        Ok(())
    }
}
