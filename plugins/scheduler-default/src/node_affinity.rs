//! Pods choose nodes by labels and name, as a must or as a wish.

use std::collections::BTreeMap;

use gantry_plugin::{
    Cx, Failure, Hooks, Nodes, Pod, PreFiltered, Scheduler, Scored, Verdicts, abi, scheduler::Interest,
};
use serde::Deserialize;

use crate::{
    interest, plugin, scale,
    selector::{Matcher, NodeView, Term},
};

pub(crate) struct NodeAffinity;

plugin!(NodeAffinity = "NodeAffinity");

#[derive(Clone, Default)]
pub(crate) struct Cycle {
    /// `spec.nodeSelector`
    selector: Option<Matcher>,
    /// One of these terms must match.
    required: Option<Vec<Matcher>>,
    preferred: Vec<(i64, Matcher)>,
}

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    node_selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    affinity: Option<Affinity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Affinity {
    #[serde(default)]
    node_affinity: Option<Terms>,
}

#[derive(Deserialize)]
struct Terms {
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<Required>,
    #[serde(default, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Option<Vec<Preferred>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Required {
    #[serde(default)]
    node_selector_terms: Option<Vec<Term>>,
}

#[derive(Deserialize)]
struct Preferred {
    weight: i64,
    preference: Term,
}

const NAME: usize = 0;
const LABELS: usize = 1;

fn views<'a>(nodes: &Nodes<'a>) -> impl Iterator<Item = NodeView<'a>> + use<'a> {
    let (names, labels) = (nodes.sids(NAME), nodes.sid_lists(LABELS));
    nodes.selected().iter().map(move |row| NodeView { name: names[*row as usize], labels: labels.row(*row) })
}

impl Scheduler for NodeAffinity {
    type Cycle = Cycle;
    const COLUMNS: &'static [&'static str] = &["node.name", "node.labels", "pod.json"];
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::SCORE).and(Hooks::EVENTS);
    const EVENTS: &'static [Interest] = &[interest("nodes", abi::ACTION_ADD | abi::ACTION_LABELS)];

    fn pre_filter(&self, cx: &Cx<'_>, pod: &Pod<'_>, _: &Nodes<'_>, cycle: &mut Cycle) -> Result<PreFiltered, Failure> {
        let spec = pod.decode::<Object>()?.spec;
        let selector = spec.node_selector.filter(|labels| !labels.is_empty());
        cycle.selector = selector.map(|labels| Matcher::equalities(cx, labels.iter()));
        if let Some(terms) = spec.affinity.and_then(|affinity| affinity.node_affinity) {
            let compile = |term: &Term| Matcher::compile(cx, term);
            cycle.required =
                terms.required.map(|r| r.node_selector_terms.unwrap_or_default().iter().map(compile).collect());
            let preferred = terms.preferred.unwrap_or_default().into_iter();
            cycle.preferred =
                preferred.map(|p| (p.weight, compile(&p.preference))).filter(|(_, m)| !m.is_empty()).collect();
        }
        let free = cycle.selector.is_none() && cycle.required.is_none();
        Ok(if free { PreFiltered::Skip } else { PreFiltered::Any })
    }

    fn filter(
        &self,
        cx: &Cx<'_>,
        _: &Pod<'_>,
        nodes: &Nodes<'_>,
        cycle: &Cycle,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        for (position, node) in views(nodes).enumerate() {
            let selected = cycle.selector.as_ref().is_none_or(|selector| selector.matches(cx, &node));
            let required = cycle.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(cx, &node)));
            if !(selected && required) {
                verdicts.unresolvable(position, "node(s) didn't match Pod's node affinity/selector");
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
        if cycle.preferred.is_empty() {
            return Ok(Scored::Skip);
        }
        for (score, node) in scores.iter_mut().zip(views(nodes)) {
            let granted = cycle.preferred.iter().filter(|(_, wish)| wish.matches(cx, &node));
            *score = granted.map(|(weight, _)| weight).sum();
        }
        Ok(Scored::Yes)
    }

    fn normalize(&self, scores: &mut [i64]) {
        scale(scores, false);
    }
}
