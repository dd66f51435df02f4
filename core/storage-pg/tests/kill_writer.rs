//! A process that writes is killed under load, again and again, while another one writes on and watches.
//! `GANTRY_KILL_ROUNDS` says how often (default 3). This program is both processes: it has no test harness.

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::StreamExt;
use gantry_storage::{Change, Companion, Expect, Key, Operation, Revision, Shard, Storage, Write};
use gantry_storage_pg::{PgStorage, testing::TestDatabase};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// Names the database to the process that is to be killed.
const VICTIM: &str = "GANTRY_TEST_VICTIM_OF";
/// Begins the names of objects that are written with another one, whose name ends so.
const PAIR: &str = "pair-";
const COMPANION: &str = "-companion";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if let Ok(url) = std::env::var(VICTIM) {
        victim(&url).await;
        return;
    }
    println!("test a_killed_writer_loses_nothing_acknowledged_and_leaves_no_gap ...");
    a_killed_writer_loses_nothing_acknowledged_and_leaves_no_gap().await;
    println!("test result: ok");
}

fn write(name: &str, value: String) -> Write {
    let key = Key::new("", "configmaps", "default", name);
    let operation = Operation::Put(value.into());
    Write {
        shard: Shard::Durable,
        key,
        expect: Expect::Absent,
        operation,
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}

/// [`write`] with another object that stands or falls with it.
fn write_pair(name: &str, value: String) -> Write {
    let key = Key::new("", "configmaps", "default", &format!("{name}{COMPANION}"));
    let operation = Operation::Put(value.clone().into());
    Write { with: vec![Companion { key, expect: Expect::Absent, operation }], ..write(name, value) }
}

/// Creates objects, every fourth with another one, from 16 tasks and prints "REVISION NAME" of each that was acknowledged, until it is killed.
async fn victim(url: &str) {
    let storage = Arc::new(PgStorage::connect(url).await.expect("the database is up"));
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel::<String>();
    for task in 0..16 {
        let (storage, say) = (storage.clone(), say.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let (kind, write): (_, fn(&str, String) -> Write) =
                    if task % 4 == 0 { (PAIR, write_pair) } else { ("", write) };
                let name = format!("{kind}{}-{task}-{n}", std::process::id());
                let committed = storage.commit(write(&name, name.clone())).await.expect("the database is up");
                say.send(format!("{} {name}\n", committed.revision)).ok();
            }
        });
    }
    let mut out = tokio::io::stdout();
    while let Some(line) = said.recv().await {
        out.write_all(line.as_bytes()).await.expect("the other side reads");
        out.flush().await.expect("the other side reads");
    }
}

/// Runs a victim until it has acknowledged 200 writes, kills it, and returns them all.
async fn run_and_kill(url: &str) -> Vec<(Revision, String)> {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    let mut child = command.env(VICTIM, url).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let (revision, name) = line.split_once(' ').unwrap();
        // What stood in the pipe when it was killed was acknowledged too.
        acknowledged.push((Revision(revision.parse().unwrap()), name.to_owned()));
        if acknowledged.len() == 200 {
            child.start_kill().unwrap();
        }
    }
    child.wait().await.unwrap();
    acknowledged
}

async fn a_killed_writer_loses_nothing_acknowledged_and_leaves_no_gap() {
    let rounds = std::env::var("GANTRY_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let database = TestDatabase::create().await;
    let storage = Arc::new(database.storage().await);
    let mut feed = storage.feed(Shard::Durable, Revision::ZERO);
    let stop = Arc::new(AtomicBool::new(false));
    let survivor = tokio::spawn({
        let (storage, stop) = (storage.clone(), stop.clone());
        async move {
            let mut acknowledged = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let name = format!("survivor-{}", acknowledged.len());
                let committed = storage.commit(write(&name, name.clone())).await.expect("the database is up");
                acknowledged.push((committed.revision, name));
            }
            acknowledged
        }
    });
    let mut acknowledged = Vec::new();
    for _ in 0..rounds {
        acknowledged.extend(run_and_kill(database.url()).await);
    }
    stop.store(true, Ordering::Relaxed);
    acknowledged.extend(survivor.await.unwrap());

    let head = storage.head(Shard::Durable).await.unwrap().revision;
    let mut seen: Vec<Change> = Vec::new();
    while seen.last().is_none_or(|c| c.revision < head) {
        seen.extend(feed.next().await.unwrap().unwrap());
    }
    // What the last victim had sent when it was killed may have been committed after `head` was asked.
    for (change, expected) in seen.iter().zip(1..) {
        assert_eq!(change.revision, Revision(expected), "every revision once and in order");
    }
    assert_pairs_are_whole(&seen);
    let seen: HashMap<_, _> = seen.into_iter().map(|c| (c.revision, c.value)).collect();
    for (revision, name) in acknowledged {
        assert_eq!(seen[&revision], name, "acknowledged at {revision}");
    }
}

/// What was written with another object has it right behind it, and none stands alone.
fn assert_pairs_are_whole(seen: &[Change]) {
    let mut pairs = 0;
    for neighbours in seen.windows(2) {
        let (one, next) = (neighbours[0].key.name(), neighbours[1].key.name());
        if next.ends_with(COMPANION) || (one.starts_with(PAIR) && !one.ends_with(COMPANION)) {
            assert_eq!(next, format!("{one}{COMPANION}"));
            pairs += 1;
        }
    }
    assert!(pairs > 0, "no victim wrote any pair");
}
