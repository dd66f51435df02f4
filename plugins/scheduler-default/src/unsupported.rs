//! Constraints that this scheduler cannot keep yet. A pod that depends on one stays pending and says why: placed as if the
//! constraint were not there, it would run where it must not.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, scheduler::Interest};
use serde::{Deserialize, de::IgnoredAny};

use crate::plugin;

pub(crate) struct UnsupportedConstraints;

plugin!(UnsupportedConstraints = "UnsupportedConstraints");

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    affinity: Option<Affinity>,
    #[serde(default)]
    topology_spread_constraints: Option<Vec<Spread>>,
    #[serde(default)]
    volumes: Option<Vec<Volume>>,
    #[serde(default)]
    resource_claims: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Affinity {
    #[serde(default)]
    pod_affinity: Option<Terms>,
    #[serde(default)]
    pod_anti_affinity: Option<Terms>,
}

#[derive(Deserialize)]
struct Terms {
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spread {
    #[serde(default)]
    when_unsatisfiable: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    #[serde(default)]
    persistent_volume_claim: Option<IgnoredAny>,
    #[serde(default)]
    ephemeral: Option<IgnoredAny>,
}

impl Spec {
    fn unsupported(&self) -> Option<&'static str> {
        let required = |terms: &Option<Terms>| {
            terms.as_ref().and_then(|t| t.required.as_ref()).is_some_and(|required| !required.is_empty())
        };
        let affinity = self.affinity.as_ref();
        let spreads = |constraint: &Spread| constraint.when_unsatisfiable == "DoNotSchedule";
        let claims = |volume: &Volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
        if affinity.is_some_and(|a| required(&a.pod_affinity) || required(&a.pod_anti_affinity)) {
            Some("required pod affinity and anti-affinity are not supported yet")
        } else if self.topology_spread_constraints.iter().flatten().any(spreads) {
            Some("topology spread constraints with DoNotSchedule are not supported yet")
        } else if self.volumes.iter().flatten().any(claims) {
            Some("persistent volume claims are not supported yet")
        } else if self.resource_claims.as_ref().is_some_and(|all| !all.is_empty()) {
            Some("resource claims are not supported yet")
        } else {
            None
        }
    }
}

impl Scheduler for UnsupportedConstraints {
    type Cycle = ();
    const COLUMNS: &'static [&'static str] = &["pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::EVENTS);
    /// Nothing in the cluster helps.
    const EVENTS: &'static [Interest] = &[];

    fn pre_filter(&self, _: &Cx<'_>, pod: &Pod<'_>, _: &Nodes<'_>, (): &mut ()) -> Result<PreFiltered, Failure> {
        match pod.decode::<Object>()?.spec.unsupported() {
            Some(what) => Err(Failure::unresolvable(what)),
            None => Ok(PreFiltered::Skip),
        }
    }
}
