//! What every [`Storage`] must do, as functions that fail by panic. [`contract_tests!`](crate::contract_tests) makes a test
//! of each. Each function expects a storage of its own, with nothing in it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all};

use crate::{
    Change, ClaimChange, CommitError, Committed, Companion, Digest, Expect, Fence, Key, Operation, ReadError, Revision,
    Shard, Storage, StoredObject, Write,
};

/// Makes one `#[tokio::test]` per function of [`crate::contract`]. `$fresh` is an expression of an `async` block's value
/// `(Arc<impl Storage>, guard)`; the guard lives as long as the test.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:expr) => {
        $crate::contract_tests!(@each $fresh;
            revisions_count_up_without_gaps
            a_write_happens_only_on_the_expected_revision
            a_deleted_object_is_gone_and_can_be_created_again
            the_log_tells_every_change_in_order
            a_feed_wakes_up_for_changes_to_come
            shards_count_apart
            a_snapshot_and_the_feed_behind_it_make_the_whole
            compaction_ends_feeds_from_below_the_floor
            racing_writers_of_one_key_lose_nothing
            racing_writers_of_many_keys_all_succeed
            a_claim_has_one_owner_at_a_time
            a_refused_claim_writes_nothing
            a_released_claim_can_be_taken_by_another
            what_is_written_together_is_one_step_of_the_log
            what_is_written_together_stands_or_falls_together
            a_lease_has_one_holder_and_its_token_grows
            a_fenced_write_needs_the_current_token
            the_digest_is_that_of_the_objects
            values_are_kept_byte_for_byte);
    };
    (@each $fresh:expr; $($name:ident)+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let (storage, _guard) = $fresh.await;
            $crate::contract::$name(storage).await;
        }
    )+ };
}

type Shared = Arc<dyn Storage>;

fn key(name: &str) -> Key {
    Key::new("", "configmaps", "default", name)
}

fn put(name: &str, expect: Expect, value: &str) -> Write {
    let operation = Operation::Put(Bytes::copy_from_slice(value.as_bytes()));
    Write {
        shard: Shard::Durable,
        key: key(name),
        expect,
        operation,
        claims: Vec::new(),
        with: Vec::new(),
        fence: None,
    }
}

fn delete(name: &str, at: Revision, last: &str) -> Write {
    let operation = Operation::Delete(Bytes::copy_from_slice(last.as_bytes()));
    Write { operation, ..put(name, Expect::At(at), "") }
}

async fn commit(storage: &Shared, write: Write) -> Committed {
    storage.commit(write).await.expect("an undisputed write succeeds")
}

async fn objects(storage: &Shared, shard: Shard) -> Vec<StoredObject> {
    let snapshot = storage.snapshot(shard).await.expect("a snapshot");
    let mut objects: Vec<_> = snapshot.objects.try_collect().await.expect("its objects");
    objects.sort_by(|a: &StoredObject, b| a.key.cmp(&b.key));
    objects
}

/// The changes in `(after, through]`.
async fn log(storage: &Shared, shard: Shard, after: Revision, through: Revision) -> Vec<Change> {
    let mut feed = storage.feed(shard, after);
    let mut changes: Vec<Change> = Vec::new();
    while changes.last().map_or(after, |c| c.revision) < through {
        changes.extend(feed.next().await.expect("the feed goes on").expect("the feed is readable"));
    }
    changes
}

pub async fn revisions_count_up_without_gaps(storage: Shared) {
    let before = storage.head(Shard::Durable).await.unwrap().revision;
    let first = commit(&storage, put("a", Expect::Absent, "1")).await;
    let second = commit(&storage, put("b", Expect::Absent, "1")).await;
    let third = commit(&storage, put("a", Expect::At(first.revision), "2")).await;
    assert_eq!([first.revision, second.revision, third.revision].map(|r| r.0 - before.0), [1, 2, 3]);
    assert_eq!(third.create_revision, first.revision);
    assert_eq!(storage.head(Shard::Durable).await.unwrap().revision, third.revision);
}

pub async fn a_write_happens_only_on_the_expected_revision(storage: Shared) {
    let first = commit(&storage, put("a", Expect::Absent, "1")).await.revision;
    let second = commit(&storage, put("a", Expect::At(first), "2")).await.revision;
    for wrong in [put("a", Expect::Absent, "x"), put("a", Expect::At(first), "x"), delete("a", first, "x")] {
        let Err(CommitError::Conflict { current }) = storage.commit(wrong).await else { panic!("went through") };
        assert_eq!(current, Some(second));
    }
    for wrong in [put("b", Expect::At(first), "x"), delete("b", first, "x")] {
        let Err(CommitError::Conflict { current }) = storage.commit(wrong).await else { panic!("went through") };
        assert_eq!(current, None);
    }
    assert_eq!(storage.head(Shard::Durable).await.unwrap().revision, second, "a refused write takes no revision");
    assert_eq!(objects(&storage, Shard::Durable).await[0].value, "2");
}

pub async fn a_deleted_object_is_gone_and_can_be_created_again(storage: Shared) {
    let created = commit(&storage, put("a", Expect::Absent, "1")).await;
    let deleted = commit(&storage, delete("a", created.revision, "last")).await;
    assert_eq!(deleted.create_revision, created.create_revision);
    assert!(objects(&storage, Shard::Durable).await.is_empty());
    let again = commit(&storage, put("a", Expect::Absent, "2")).await;
    assert_eq!(again.create_revision, again.revision);
}

pub async fn the_log_tells_every_change_in_order(storage: Shared) {
    let start = storage.head(Shard::Durable).await.unwrap().revision;
    let a1 = commit(&storage, put("a", Expect::Absent, "1")).await.revision;
    let a2 = commit(&storage, put("a", Expect::At(a1), "2")).await.revision;
    let b = commit(&storage, put("b", Expect::Absent, "b")).await.revision;
    let gone = commit(&storage, delete("a", a2, "last")).await.revision;
    let change = |revision, create_revision, name, previous, value: &str, deleted| {
        let value = Bytes::copy_from_slice(value.as_bytes());
        Change { revision, create_revision, key: key(name), previous, value, deleted }
    };
    let expected = [
        change(a1, a1, "a", None, "1", false),
        change(a2, a1, "a", Some(a1), "2", false),
        change(b, b, "b", None, "b", false),
        change(gone, a1, "a", Some(a2), "last", true),
    ];
    assert_eq!(log(&storage, Shard::Durable, start, gone).await, expected);
    assert_eq!(log(&storage, Shard::Durable, a2, gone).await, expected[2..]);
}

pub async fn a_feed_wakes_up_for_changes_to_come(storage: Shared) {
    let start = storage.head(Shard::Durable).await.unwrap().revision;
    let mut feed = storage.feed(Shard::Durable, start);
    let (changes, committed) = tokio::join!(feed.next(), commit(&storage, put("a", Expect::Absent, "1")));
    assert_eq!(changes.unwrap().unwrap()[0].revision, committed.revision);
    let (changes, committed) = tokio::join!(feed.next(), commit(&storage, put("b", Expect::Absent, "1")));
    assert_eq!(changes.unwrap().unwrap()[0].revision, committed.revision);
}

pub async fn shards_count_apart(storage: Shared) {
    for shard in Shard::ALL {
        let committed = commit(&storage, Write { shard, ..put("same", Expect::Absent, "1") }).await;
        assert_eq!(committed.revision, Revision(1));
        assert_eq!(log(&storage, shard, Revision::ZERO, Revision(1)).await.len(), 1);
        assert_eq!(objects(&storage, shard).await.len(), 1);
    }
}

pub async fn a_snapshot_and_the_feed_behind_it_make_the_whole(storage: Shared) {
    for n in 0..10 {
        commit(&storage, put(&format!("before-{n}"), Expect::Absent, "1")).await;
    }
    let snapshot = storage.snapshot(Shard::Durable).await.unwrap();
    let mut last = Revision::ZERO;
    for n in 0..10 {
        last = commit(&storage, put(&format!("after-{n}"), Expect::Absent, "1")).await.revision;
    }
    let head = snapshot.head.revision;
    let stored: Vec<_> = snapshot.objects.try_collect().await.unwrap();
    assert_eq!(stored.len(), 10, "a snapshot shows nothing younger than its head");
    assert!(stored.iter().all(|o: &StoredObject| o.revision <= head));
    assert_eq!(log(&storage, Shard::Durable, head, last).await.len(), 10);
}

pub async fn compaction_ends_feeds_from_below_the_floor(storage: Shared) {
    let mut revisions = Vec::new();
    for n in 0..5 {
        revisions.push(commit(&storage, put(&n.to_string(), Expect::Absent, "1")).await.revision);
    }
    let floor = revisions[2];
    storage.compact(Shard::Durable, floor).await.unwrap();
    assert_eq!(storage.head(Shard::Durable).await.unwrap().compacted, floor);
    let below = storage.feed(Shard::Durable, revisions[1]).next().await.expect("an answer");
    assert!(matches!(below, Err(ReadError::Compacted { floor: f, .. }) if f == floor));
    assert_eq!(log(&storage, Shard::Durable, floor, revisions[4]).await.len(), 2);
    assert_eq!(objects(&storage, Shard::Durable).await.len(), 5, "compaction forgets history, not objects");
    storage.compact(Shard::Durable, revisions[0]).await.unwrap();
    assert_eq!(storage.head(Shard::Durable).await.unwrap().compacted, floor, "a floor never sinks");
}

/// Adds one to the number stored under `counter`, however often others come between.
async fn increment(storage: &Shared) {
    loop {
        let current = objects(storage, Shard::Durable).await.into_iter().find(|o| o.key == key("counter"));
        let current = current.expect("the counter was made first");
        let count: u32 = std::str::from_utf8(&current.value).unwrap().parse().unwrap();
        match storage.commit(put("counter", Expect::At(current.revision), &(count + 1).to_string())).await {
            Ok(_) => return,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

pub async fn racing_writers_of_one_key_lose_nothing(storage: Shared) {
    commit(&storage, put("counter", Expect::Absent, "0")).await;
    join_all((0..20).map(|_| increment(&storage))).await;
    assert_eq!(objects(&storage, Shard::Durable).await[0].value, "20");
}

pub async fn racing_writers_of_many_keys_all_succeed(storage: Shared) {
    let names: Vec<_> = (0..300).map(|n| format!("{n:03}")).collect();
    let committed = join_all(names.iter().map(|name| commit(&storage, put(name, Expect::Absent, name)))).await;
    let mut revisions: Vec<_> = committed.iter().map(|c| c.revision.0).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=300).collect::<Vec<_>>());
    for change in log(&storage, Shard::Durable, Revision::ZERO, Revision(300)).await {
        assert_eq!(change.value, change.key.name());
    }
}

fn with_claim(write: Write, claim: ClaimChange) -> Write {
    Write { claims: vec![claim], ..write }
}

fn take(value: &str) -> ClaimChange {
    ClaimChange::Take { pool: "node-ports".into(), value: value.into() }
}

pub async fn a_claim_has_one_owner_at_a_time(storage: Shared) {
    let first = commit(&storage, with_claim(put("a", Expect::Absent, "1"), take("30000"))).await.revision;
    let refused = storage.commit(with_claim(put("b", Expect::Absent, "1"), take("30000"))).await;
    let Err(CommitError::ClaimTaken { pool, value, owner }) = refused else { panic!("taken twice") };
    assert_eq!((&*pool, &*value, &*owner), ("node-ports", "30000", key("a").as_str()));
    // The owner may take it again, and others may take what is free, in one storm.
    commit(&storage, with_claim(put("a", Expect::At(first), "2"), take("30000"))).await;
    let racers = (0..20).map(|n| storage.commit(with_claim(put(&format!("r{n}"), Expect::Absent, "1"), take("31000"))));
    assert_eq!(join_all(racers).await.into_iter().filter(Result::is_ok).count(), 1);
}

pub async fn a_refused_claim_writes_nothing(storage: Shared) {
    let first = commit(&storage, with_claim(put("a", Expect::Absent, "1"), take("1"))).await.revision;
    storage.commit(with_claim(put("b", Expect::Absent, "1"), take("1"))).await.unwrap_err();
    // A refused write takes no claim either, whatever else it asked for.
    let both = Write { claims: vec![take("2"), take("1")], ..put("c", Expect::Absent, "1") };
    storage.commit(both).await.unwrap_err();
    storage.commit(with_claim(put("a", Expect::Absent, "1"), take("3"))).await.unwrap_err();
    assert_eq!(storage.head(Shard::Durable).await.unwrap().revision, first);
    let free = Write { claims: vec![take("2"), take("3")], ..put("d", Expect::Absent, "1") };
    commit(&storage, free).await;
}

pub async fn a_released_claim_can_be_taken_by_another(storage: Shared) {
    let first = commit(&storage, with_claim(put("a", Expect::Absent, "1"), take("1"))).await.revision;
    let release = || ClaimChange::Release { pool: "node-ports".into(), value: "1".into() };
    let other = commit(&storage, with_claim(put("b", Expect::Absent, "1"), release())).await.revision;
    storage.commit(with_claim(put("c", Expect::Absent, "1"), take("1"))).await.expect_err("only the owner releases");
    commit(&storage, with_claim(delete("a", first, "1"), release())).await;
    commit(&storage, with_claim(put("b", Expect::At(other), "2"), take("1"))).await;
}

fn companion(name: &str, expect: Expect, value: &str) -> Companion {
    let Write { key, expect, operation, .. } = put(name, expect, value);
    Companion { key, expect, operation }
}

pub async fn what_is_written_together_is_one_step_of_the_log(storage: Shared) {
    let start = storage.head(Shard::Durable).await.unwrap().revision;
    let made = vec![companion("b", Expect::Absent, "b1"), companion("c", Expect::Absent, "c1")];
    let first = Write { with: made, ..with_claim(put("a", Expect::Absent, "a1"), take("1")) };
    let first = commit(&storage, first).await.revision;
    assert_eq!(first, Revision(start.0 + 1), "the write itself takes the first revision");
    let gone = Companion { operation: Operation::Delete("b1".into()), ..companion("b", Expect::At(first.next()), "") };
    let second = commit(&storage, Write { with: vec![gone], ..put("a", Expect::At(first), "a2") }).await.revision;
    let told: Vec<_> = log(&storage, Shard::Durable, start, second.next()).await;
    let told: Vec<_> = told.iter().map(|c| (c.revision.0 - start.0, c.key.name(), &*c.value, c.deleted)).collect();
    let expected: [(u64, &str, &[u8], bool); 5] = [
        (1, "a", b"a1", false),
        (2, "b", b"b1", false),
        (3, "c", b"c1", false),
        (4, "a", b"a2", false),
        (5, "b", b"b1", true),
    ];
    assert_eq!(told, expected);
    let names: Vec<_> = objects(&storage, Shard::Durable).await.iter().map(|o| o.key.name().to_owned()).collect();
    assert_eq!(names, ["a", "c"]);
}

pub async fn what_is_written_together_stands_or_falls_together(storage: Shared) {
    let standing = commit(&storage, put("b", Expect::Absent, "1")).await.revision;
    let taking = |with| Write { with, ..with_claim(put("a", Expect::Absent, "1"), take("1")) };
    let occupied = vec![companion("c", Expect::Absent, "1"), companion("b", Expect::Absent, "1")];
    let Err(CommitError::CompanionConflict { key: at, current }) = storage.commit(taking(occupied)).await else {
        panic!("went through")
    };
    assert_eq!((at, current), (key("b"), Some(standing)));
    let missing = taking(vec![companion("c", Expect::At(standing), "1")]);
    assert!(matches!(storage.commit(missing).await, Err(CommitError::CompanionConflict { current: None, .. })));
    let stale = Write { with: vec![companion("c", Expect::Absent, "1")], ..put("b", Expect::Absent, "2") };
    assert!(matches!(storage.commit(stale).await, Err(CommitError::Conflict { current }) if current == Some(standing)));
    assert_eq!(storage.head(Shard::Durable).await.unwrap().revision, standing, "nothing was written");
    commit(&storage, with_claim(put("d", Expect::Absent, "1"), take("1"))).await;
    // Side by side with lone writes, so that one batch could hold all.
    let together = |n: u32| Write {
        with: vec![companion(&format!("with-{n}"), Expect::Absent, "1")],
        ..put(&format!("main-{n}"), Expect::Absent, "1")
    };
    let writes = (0..20).map(together).chain((0..20).map(|n| put(&format!("lone-{n}"), Expect::Absent, "1")));
    join_all(writes.map(|write| commit(&storage, write))).await;
    assert_eq!(objects(&storage, Shard::Durable).await.len(), 62);
}

const TTL: Duration = Duration::from_secs(60);

pub async fn a_lease_has_one_holder_and_its_token_grows(storage: Shared) {
    let one = storage.lease_acquire("leader", "one", TTL).await.unwrap().expect("free");
    assert!(storage.lease_acquire("leader", "two", TTL).await.unwrap().is_none());
    assert_eq!(
        storage.lease_acquire("leader", "one", TTL).await.unwrap().as_ref(),
        Some(&one),
        "renewal keeps the token"
    );
    storage.lease_release(&one).await.unwrap();
    let two = storage.lease_acquire("leader", "two", Duration::from_millis(1)).await.unwrap().expect("released");
    assert!(two.token > one.token);
    storage.lease_release(&one).await.expect("an old lease is no error");
    let three = loop {
        // Two's lease lapses by storage's clock.
        if let Some(lease) = storage.lease_acquire("leader", "three", TTL).await.unwrap() {
            break lease;
        }
    };
    assert!(three.token > two.token);
}

pub async fn a_fenced_write_needs_the_current_token(storage: Shared) {
    let fenced = |name, lease: &crate::Lease| {
        let fence = Some(Fence { lease: lease.name.clone(), token: lease.token });
        Write { fence, ..put(name, Expect::Absent, "1") }
    };
    let old = storage.lease_acquire("leader", "one", TTL).await.unwrap().expect("free");
    commit(&storage, fenced("a", &old)).await;
    storage.lease_release(&old).await.unwrap();
    let new = storage.lease_acquire("leader", "two", TTL).await.unwrap().expect("released");
    // Side by side, so that one batch may hold both.
    let (refused, done) = tokio::join!(storage.commit(fenced("b", &old)), storage.commit(fenced("c", &new)));
    assert!(matches!(refused, Err(CommitError::Fenced)));
    done.expect("the current leader writes");
    let unknown = Write { fence: Some(Fence { lease: "other".into(), token: 1 }), ..put("d", Expect::Absent, "1") };
    assert!(matches!(storage.commit(unknown).await, Err(CommitError::Fenced)));
}

pub async fn the_digest_is_that_of_the_objects(storage: Shared) {
    let a = commit(&storage, put("a", Expect::Absent, "1")).await.revision;
    commit(&storage, put("b", Expect::Absent, "1")).await;
    commit(&storage, delete("a", a, "1")).await;
    let secret = Key::new("", "secrets", "default", "s");
    let last = commit(&storage, Write { key: secret, ..put("", Expect::Absent, "1") }).await.revision;
    let mut expected = Digest { revision: last, ..Digest::default() };
    objects(&storage, Shard::Durable).await.iter().for_each(|o| expected.add(&o.key, o.revision));
    assert_eq!(storage.digest(Shard::Durable).await.unwrap(), expected);
    assert_eq!(expected.resources.len(), 2);
}

pub async fn values_are_kept_byte_for_byte(storage: Shared) {
    let odd = [&b"\0\xff'\"\\,{}"[..], &[], &vec![7; 1 << 20]];
    for (n, value) in odd.into_iter().enumerate() {
        let value = Bytes::copy_from_slice(value);
        let write = Write { operation: Operation::Put(value.clone()), ..put(&n.to_string(), Expect::Absent, "") };
        let revision = commit(&storage, write).await.revision;
        assert_eq!(log(&storage, Shard::Durable, Revision(revision.0 - 1), revision).await[0].value, value);
        assert_eq!(objects(&storage, Shard::Durable).await[n].value, value);
    }
}
