//! What the server holds resident with many objects in it.

use super::{
    requests::{self, Objects, Operation},
    server::Gantry,
};
use crate::table::{Budget, Row};

const BYTES: usize = 4096;
const MIB: f64 = (1 << 20) as f64;

pub async fn run(count: usize) -> anyhow::Result<Row> {
    let gantry = Gantry::start().await?;
    let idle = gantry.target.resident() / MIB;
    let objects = Objects { namespace: "many".into(), count, first: 0, bytes: BYTES };
    objects.prepare(&gantry.target).await?;
    requests::drive(&gantry.target.clients(4).await?, &objects, Operation::Create, count, 64).await?;
    let full = gantry.target.resident() / MIB;
    let one = gantry.target.client()?.call(objects.request(Operation::Get, 0)).await?;
    let json = (count * one.len()) as f64 / MIB;
    println!("  memory: {idle:.0} MiB resident when idle, {full:.0} MiB with {json:.0} MiB of JSON");
    Ok(Row {
        what: format!("memory with {count} x 4 KiB objects"),
        unit: "MiB",
        measured: full,
        budget: Budget::Most((json * 1.3 + 60e6 / MIB).round()),
        peer: None,
    })
}
