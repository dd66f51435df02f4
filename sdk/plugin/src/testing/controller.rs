//! Running a controller without a server.

use std::sync::MutexGuard;

use gantry_abi as abi;
use jiff::Timestamp;
use serde_json::Value;

use super::{FakeCluster, FakeHost};
use crate::{
    Controller, Failure, Outcome,
    controller::{Event, Failed, Key, Op, Ops, Reader},
};

/// One controller and its cluster.
pub struct ControllerHarness<C> {
    host: FakeHost,
    controller: C,
    /// What [`crate::Cx::now`] gives.
    pub now: Timestamp,
}

/// What one call of `reconcile` gave.
#[derive(Debug)]
pub struct Tried {
    pub outcome: Result<Outcome, Failure>,
    pub ops: Vec<Op>,
}

impl<C: Controller> ControllerHarness<C> {
    /// # Errors
    /// The controller refuses the configuration.
    pub fn new(config: Value) -> Result<Self, String> {
        let host = FakeHost::default();
        let config = serde_json::from_value(config).map_err(|e| e.to_string())?;
        let controller = C::new(host.host(), config)?;
        Ok(Self { host, controller, now: Timestamp::UNIX_EPOCH })
    }

    pub fn cluster(&self) -> MutexGuard<'_, FakeCluster> {
        self.host.cluster()
    }

    /// Calls `map`.
    ///
    /// # Errors
    /// As `map` says.
    pub fn map(&self, event: &Event<'_>) -> Result<Vec<Key>, Failure> {
        self.host.call(self.now, |cx| self.controller.map(cx, event, &Reader::new(cx)))
    }

    /// Calls `reconcile` and returns what it wants done, without doing it.
    pub fn reconcile(&self, key: &Key) -> Tried {
        self.reconcile_after(key, 0, Vec::new())
    }

    /// As [`ControllerHarness::reconcile`], after `attempt` failures in a row and with the operations that failed.
    pub fn reconcile_after(&self, key: &Key, attempt: u32, failed: Vec<Failed>) -> Tried {
        self.host.call(self.now, |cx| {
            let mut ops = Ops::after(attempt, failed);
            let outcome = self.controller.reconcile(cx, key, &Reader::new(cx), &mut ops);
            let outcome = ops.take_broken().map_or(outcome, Err);
            Tried { outcome, ops: ops.list().to_vec() }
        })
    }

    /// Reconciles and does what comes of it, until there is nothing to do. Returns the number of rounds.
    ///
    /// # Errors
    /// The controller or an operation fails, or it does not settle within 100 rounds.
    pub fn settle(&self, key: &Key) -> Result<usize, Failure> {
        for round in 0..100 {
            let tried = self.reconcile(key);
            tried.outcome?;
            if tried.ops.is_empty() {
                return Ok(round);
            }
            for op in tried.ops.iter().filter(|op| op.flags & abi::OP_IF_FAILED == 0) {
                self.cluster().execute(op)?;
            }
        }
        Err("the controller does not settle".into())
    }
}
