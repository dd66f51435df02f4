//! The default scheduler's plugins, each by the name and with the meaning it has upstream.

mod balanced_allocation;
mod image_locality;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_unschedulable;
mod resources_fit;
mod selector;
mod taint_toleration;
mod toleration;
mod unsupported;

use balanced_allocation::BalancedAllocation;
use image_locality::ImageLocality;
use node_affinity::NodeAffinity;
use node_name::NodeName;
use node_ports::NodePorts;
use node_unschedulable::NodeUnschedulable;
use resources_fit::ResourcesFit;
use taint_toleration::TaintToleration;
use unsupported::UnsupportedConstraints;

gantry_plugin::export!(
    NodeUnschedulable: Scheduler,
    NodeName: Scheduler,
    TaintToleration: Scheduler,
    NodeAffinity: Scheduler,
    NodePorts: Scheduler,
    ResourcesFit: Scheduler,
    UnsupportedConstraints: Scheduler,
    BalancedAllocation: Scheduler,
    ImageLocality: Scheduler,
);

/// What every plugin here has: a name, this library's version, no configuration.
macro_rules! plugin {
    ($plugin:ident = $id:literal) => {
        impl gantry_plugin::Plugin for $plugin {
            const ID: &'static str = $id;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            type Config = gantry_plugin::NoConfig;

            fn new(_: gantry_plugin::HostRef<'_>, _: gantry_plugin::NoConfig) -> Result<Self, String> {
                Ok(Self)
            }
        }
    };
}
use plugin;

/// An interest in events of nodes or pods.
const fn interest(resource: &'static str, actions: u32) -> gantry_plugin::scheduler::Interest {
    gantry_plugin::scheduler::Interest { group: "", resource, actions }
}

/// Scales the scores so that the highest becomes 100; `reverse`: so that the highest becomes 0.
fn scale(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or_default();
    for score in scores {
        let scaled = if highest == 0 { 0 } else { *score * 100 / highest };
        *score = if reverse { 100 - scaled } else { scaled };
    }
}

#[cfg(test)]
mod tests {
    use super::scale;

    #[test]
    fn scores_are_scaled_by_the_highest() {
        let (mut plain, mut reversed, mut none) = ([0, 5, 10], [0, 1, 2], [0, 0]);
        scale(&mut plain, false);
        scale(&mut reversed, true);
        scale(&mut none, true);
        assert_eq!((plain, reversed, none), ([0, 50, 100], [100, 50, 0], [100, 100]));
    }
}
