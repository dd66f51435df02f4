//! The same page, object and write with few objects and with many: processor time, which other load does not stretch.

use super::{
    requests::{self, Objects, Operation},
    server::{Gantry, Target},
};
use crate::table::{Budget, Row};

const FEW: usize = 10_000;
const MEASURED: [(Operation, &str, usize); 3] = [
    (Operation::Page, "growth of a page of 500", 3_000),
    (Operation::Get, "growth of a get", 50_000),
    (Operation::MergePatch, "growth of a merge patch", 20_000),
];
const IN_FLIGHT: usize = 64;

pub async fn run(many: usize) -> anyhow::Result<Vec<Row>> {
    let gantry = Gantry::start().await?;
    let target = &gantry.target;
    let objects = Objects { namespace: "grown".into(), count: FEW, first: 0, bytes: 1024 };
    objects.prepare(target).await?;
    let clients = target.clients(4).await?;
    requests::drive(&clients, &objects, Operation::Create, FEW, IN_FLIGHT).await?;
    let few = costs(target, &objects).await?;
    let objects = Objects { first: FEW, count: many, ..objects };
    requests::drive(&clients, &objects, Operation::Create, many.saturating_sub(FEW), IN_FLIGHT).await?;
    let grown = costs(target, &objects).await?;
    let rows = MEASURED.into_iter().zip(few.into_iter().zip(grown)).map(|((_, what, _), (few, grown))| {
        println!("  {what}: {few:.0} -> {grown:.0} us");
        Row {
            what: format!("{what}, {many} objects against {FEW}, CPU"),
            unit: "x",
            measured: grown / few,
            budget: Budget::Most(1.3),
            peer: None,
        }
    });
    Ok(rows.collect())
}

/// Microseconds of server and store per request, once both have come to rest.
async fn costs(target: &Target, objects: &Objects) -> anyhow::Result<Vec<f64>> {
    target.rest().await;
    let mut costs = Vec::new();
    for (operation, _, requests) in MEASURED {
        costs.push(requests::measure(target, objects, operation, requests, IN_FLIGHT).await?.cpu_us);
    }
    Ok(costs)
}
