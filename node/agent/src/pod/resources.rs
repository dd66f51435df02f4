//! Requests and limits as the kernel takes them: cpu shares and quota, memory limits, out-of-memory scores, QoS classes.

use std::collections::BTreeMap;

use gantry_cri::api::LinuxContainerResources;
use gantry_meta::Quantity;
use k8s_openapi::{api::core::v1::Container, apimachinery::pkg::api::resource::Quantity as WireQuantity};

use super::desired::{DesiredPod, Role};

/// The kernel's default scheduling period, in microseconds.
const CPU_PERIOD_US: i64 = 100_000;
const MIN_QUOTA_US: i64 = 1_000;
const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 262_144;
const SHARES_PER_CPU: i64 = 1_024;

/// A pod's quality of service, as its `status.qosClass` spells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QosClass {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl QosClass {
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// From requests and limits of cpu and memory of all containers.
    pub fn of(pod: &DesiredPod) -> Self {
        let all: Vec<&Container> = pod.containers().map(|(_, container)| container).collect();
        let named = |list: fn(&Container) -> Amounts| all.iter().any(|c| list(c).any());
        if !named(Amounts::requests) && !named(Amounts::limits) {
            return Self::BestEffort;
        }
        let guaranteed = all.iter().all(|container| {
            let (requests, limits) = (Amounts::requests(container), Amounts::limits(container));
            limits.cpu_milli.is_some() && limits.memory_bytes.is_some() && requests == limits
        });
        if guaranteed { Self::Guaranteed } else { Self::Burstable }
    }
}

/// Cpu and memory of one list; `None` where the list lacks them or says zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amounts {
    pub cpu_milli: Option<i64>,
    pub memory_bytes: Option<i64>,
}

impl Amounts {
    fn any(self) -> bool {
        self.cpu_milli.is_some() || self.memory_bytes.is_some()
    }

    fn read(list: Option<&BTreeMap<String, WireQuantity>>) -> Self {
        let read = |name: &str| list.and_then(|l| l.get(name)).and_then(|q| Quantity::parse(&q.0).ok());
        let positive = |n: i64| (n > 0).then_some(n);
        Self {
            cpu_milli: read("cpu").and_then(|q| positive(q.milli())),
            memory_bytes: read("memory").and_then(|q| positive(q.units())),
        }
    }

    pub fn limits(container: &Container) -> Self {
        Self::read(container.resources.as_ref().and_then(|r| r.limits.as_ref()))
    }

    /// Requests; a missing one is the limit.
    pub fn requests(container: &Container) -> Self {
        let requests = Self::read(container.resources.as_ref().and_then(|r| r.requests.as_ref()));
        let limits = Self::limits(container);
        Self {
            cpu_milli: requests.cpu_milli.or(limits.cpu_milli),
            memory_bytes: requests.memory_bytes.or(limits.memory_bytes),
        }
    }
}

/// cpu.shares for a request in thousandths of a cpu.
pub fn cpu_shares(milli: i64) -> i64 {
    (milli * SHARES_PER_CPU / 1000).clamp(MIN_SHARES, MAX_SHARES)
}

/// cpu.cfs_quota_us per [`CPU_PERIOD_US`] for a limit in thousandths of a cpu; 0 means no limit.
pub fn cpu_quota_us(milli: i64) -> i64 {
    if milli == 0 { 0 } else { (milli * CPU_PERIOD_US / 1000).max(MIN_QUOTA_US) }
}

/// What CRI is told about one container.
pub fn container_resources(pod: &DesiredPod, container: &Container, node_memory_bytes: u64) -> LinuxContainerResources {
    let (requests, limits) = (Amounts::requests(container), Amounts::limits(container));
    LinuxContainerResources {
        cpu_shares: cpu_shares(requests.cpu_milli.unwrap_or_default()),
        cpu_quota: cpu_quota_us(limits.cpu_milli.unwrap_or_default()),
        cpu_period: CPU_PERIOD_US,
        memory_limit_in_bytes: limits.memory_bytes.unwrap_or_default(),
        oom_score_adj: oom_score_adj(QosClass::of(pod), requests.memory_bytes, node_memory_bytes),
        ..Default::default()
    }
}

/// Who the kernel kills first: best-effort pods, then those that use most beyond their request.
fn oom_score_adj(qos: QosClass, request_bytes: Option<i64>, node_memory_bytes: u64) -> i64 {
    match qos {
        QosClass::Guaranteed => -997,
        QosClass::BestEffort => 1000,
        QosClass::Burstable => {
            let request = i128::from(request_bytes.unwrap_or_default());
            let score = 1000 - 1000 * request / i128::from(node_memory_bytes.max(1));
            i64::try_from(score.clamp(3, 999)).unwrap_or(999)
        }
    }
}

/// Sums over the containers that run at the same time: main containers and sidecars. `None` for a limit that some
/// container lacks.
pub fn pod_amounts(pod: &DesiredPod) -> (Amounts, Amounts) {
    let running = || pod.containers().filter(|(role, _)| *role != Role::Init).map(|(_, c)| c);
    let sum = |read: fn(Amounts) -> Option<i64>, list: fn(&Container) -> Amounts| {
        running().filter_map(|c| read(list(c))).reduce(|a, b| a + b)
    };
    let all = |read: fn(Amounts) -> Option<i64>| running().map(|c| read(Amounts::limits(c))).sum::<Option<i64>>();
    let requests = Amounts {
        cpu_milli: sum(|a| a.cpu_milli, Amounts::requests),
        memory_bytes: sum(|a| a.memory_bytes, Amounts::requests),
    };
    (requests, Amounts { cpu_milli: all(|a| a.cpu_milli), memory_bytes: all(|a| a.memory_bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod_of;

    #[test]
    fn qos_follows_requests_and_limits() {
        let class = |resources: &str| {
            QosClass::of(&pod_of(&format!(r#"{{"containers":[{{"name":"a","resources":{resources}}}]}}"#)))
        };
        assert_eq!(class("{}"), QosClass::BestEffort);
        assert_eq!(class(r#"{"requests":{"cpu":"100m"}}"#), QosClass::Burstable);
        assert_eq!(class(r#"{"limits":{"cpu":"1","memory":"1Gi"}}"#), QosClass::Guaranteed);
        assert_eq!(class(r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}"#), QosClass::Burstable);
    }

    #[test]
    fn amounts_become_what_the_kernel_takes() {
        assert_eq!((cpu_shares(0), cpu_shares(500), cpu_shares(1_000_000)), (2, 512, 262_144));
        assert_eq!((cpu_quota_us(0), cpu_quota_us(5), cpu_quota_us(1500)), (0, 1_000, 150_000));
        assert_eq!(oom_score_adj(QosClass::Burstable, Some(1 << 30), 4 << 30), 750);
        assert_eq!(oom_score_adj(QosClass::Burstable, None, 4 << 30), 999);
    }
}
