//! A host for unit tests of plugins: hooks run against objects that stand in memory, and read them through the same C
//! functions that the server offers.
//!
//! ```text
//! let mut harness = ControllerHarness::<MyController>::new(json!({})).unwrap();
//! harness.cluster().put(&resource::PODS, json!({"metadata": {"namespace": "a", "name": "p"}}));
//! let tried = harness.reconcile(&Key::of("a", "owner"));
//! assert_eq!(tried.ops[0].verb, Verb::Create);
//! ```

mod cluster;
mod controller;
mod host;
mod scheduler;

pub use cluster::FakeCluster;
pub use controller::{ControllerHarness, Tried};
pub use host::FakeHost;
pub use scheduler::{Cell, FakePod, Judged, SchedulerHarness};
