//! Nodes keep pods away by taints that the pods do not tolerate.

use std::collections::HashMap;

use gantry_plugin::{
    Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Scored, Verdicts, abi, scheduler::Interest,
};

use crate::{
    interest, plugin, scale,
    toleration::{Taint, Toleration, bears, taints, tolerations},
};

pub(crate) struct TaintToleration;

plugin!(TaintToleration = "TaintToleration");

#[derive(Clone, Default)]
pub(crate) struct Cycle {
    tolerations: Vec<Toleration>,
}

const TAINTS: usize = 0;

impl Scheduler for TaintToleration {
    type Cycle = Cycle;
    const COLUMNS: &'static [&'static str] = &["node.taints", "pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::SCORE).and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[interest("nodes", abi::ACTION_ADD | abi::ACTION_TAINTS)];

    fn pre_filter(&self, _: &Cx<'_>, pod: &Pod<'_>, _: &Nodes<'_>, cycle: &mut Cycle) -> Result<PreFiltered, Failure> {
        cycle.tolerations = tolerations(pod)?;
        Ok(PreFiltered::Any)
    }

    fn filter(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Cycle,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        let rows = nodes.sid_lists(TAINTS);
        // Nodes have few different taints.
        let mut borne: HashMap<Taint, bool> = HashMap::new();
        for (position, row) in nodes.selected().iter().enumerate() {
            let repels = |taint: &Taint| matches!(cx.text(taint.effect), "NoSchedule" | "NoExecute");
            let mut unborne = taints(rows.row(*row)).filter(|taint| {
                !*borne.entry(*taint).or_insert_with(|| !repels(taint) || bears(cx, &cycle.tolerations, *taint))
            });
            if let Some(taint) = unborne.next() {
                let (key, value) = (cx.text(taint.key), cx.text(taint.value));
                verdicts.unresolvable(position, &format!("node(s) had untolerated taint {{{key}: {value}}}"));
            }
        }
        Ok(())
    }

    fn score(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Cycle,
        scores: &mut [i64],
    ) -> Result<Scored, Failure> {
        const EFFECT: &str = "PreferNoSchedule";
        let rows = nodes.sid_lists(TAINTS);
        let soft: Vec<Toleration> = cycle.tolerations.iter().filter(|t| t.is_for(EFFECT)).cloned().collect();
        for (score, row) in scores.iter_mut().zip(nodes.selected()) {
            let deters = |taint: &Taint| cx.text(taint.effect) == EFFECT && !bears(cx, &soft, *taint);
            *score = taints(rows.row(*row)).filter(deters).count() as i64;
        }
        Ok(Scored::Yes)
    }

    fn normalize(&self, scores: &mut [i64]) {
        scale(scores, true);
    }
}

#[cfg(test)]
mod tests {
    use gantry_plugin::{
        scheduler::Verdict,
        testing::{Cell, FakePod, SchedulerHarness},
    };
    use serde_json::json;

    use super::TaintToleration;

    fn taint(effect: &str) -> Cell {
        Cell::Texts(["k", "v", effect].map(str::to_owned).to_vec())
    }

    #[test]
    fn taints_refuse_or_deter_whoever_does_not_bear_them() {
        let mut harness = SchedulerHarness::<TaintToleration>::new(json!({})).expect("no configuration");
        harness.node(&[("node.taints", taint("NoSchedule"))]);
        harness.node(&[("node.taints", taint("PreferNoSchedule"))]);
        harness.node(&[]);
        let judge = |tolerations| {
            let pod = FakePod { object: json!({"spec": {"tolerations": tolerations}}), ..FakePod::default() };
            harness.judge(&pod).expect("judged")
        };
        let plain = judge(json!([]));
        assert_eq!(plain.verdicts[0], Verdict::Unresolvable("node(s) had untolerated taint {k: v}".into()));
        assert_eq!(
            (&plain.verdicts[1..], plain.scores),
            (&[Verdict::Fits, Verdict::Fits][..], Some(vec![100, 0, 100]))
        );
        let bearing = judge(json!([{"key": "k", "operator": "Exists"}]));
        assert_eq!((bearing.verdicts[0].clone(), bearing.scores), (Verdict::Fits, Some(vec![100, 100, 100])));
    }
}
