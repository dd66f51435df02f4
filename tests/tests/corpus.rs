//! Recorded cases of the reference, replayed against a control plane.

use std::collections::BTreeSet;

use anyhow::Result;
use futures::{StreamExt as _, stream};
use gantry_tests::{
    Cluster, Options,
    corpus::{self, Known, Server},
};

/// Cases at a time: most of their time they wait.
const AT_ONCE: usize = 16;
/// Differences shown of one case.
const SHOWN: usize = 8;

#[test]
fn recorded_cases_are_answered_as_the_reference_answers() -> Result<()> {
    let (cases, known) = (corpus::cases()?, Known::read()?);
    let cluster = Cluster::start(Options::control_plane())?;
    let server = &Server::from_kubeconfig(&cluster.kubeconfig())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let replayed = stream::iter(&cases).map(|case| async move { (case, corpus::replay(server, case).await) });
    let replayed: Vec<_> = runtime.block_on(replayed.buffer_unordered(AT_ONCE).collect());

    let mut wrong = Vec::new();
    for (case, differences) in &replayed {
        match (differences.as_slice(), known.reason(&case.id)) {
            ([], None) => {}
            ([], Some(_)) => wrong.push(format!("{} passes: take it off known.tsv", case.id)),
            (_, Some(_)) => {}
            (differences, None) => {
                let shown = differences[..differences.len().min(SHOWN)].join("\n    ");
                wrong.push(format!("{}: {}\n    {shown}", case.id, case.name));
            }
        }
    }
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    wrong.extend(known.cases().filter(|case| !ids.contains(case)).map(|case| format!("known.tsv: no case {case}")));
    let passed = replayed.iter().filter(|(_, differences)| differences.is_empty()).count();
    println!("{passed} of {} recorded cases pass", cases.len());
    wrong.sort();
    assert!(wrong.is_empty(), "{} cases are not as listed:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
