//! Random histories: the cache against the plainest model there is, one map per revision.

use std::{collections::BTreeMap, sync::Arc};

use gantry_storage::{Revision, Shard};
use gantry_watch_cache::{At, Filter, ListError, ListRequest, PageCursor, Scope, WatchCache};
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        name: &'static str,
        node: &'static str,
        app: &'static str,
    },
    /// Of an object that stands; else nothing happens.
    Delete {
        name: &'static str,
    },
    /// Moves the floor to this share (of 100) of what is applied.
    Forget {
        percent: u64,
    },
    /// Opens a watch at this share of what is applied.
    Watch {
        percent: u64,
        scope: usize,
        filter: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop::sample::select(vec!["a", "b", "c", "other/a", "other/d"]);
    let (node, app) = (prop::sample::select(vec!["", "n1", "n2"]), prop::sample::select(vec!["x", "y"]));
    prop_oneof![
        6 => (name.clone(), node, app).prop_map(|(name, node, app)| Step::Put { name, node, app }),
        2 => name.prop_map(|name| Step::Delete { name }),
        1 => (0..=100_u64).prop_map(|percent| Step::Forget { percent }),
        2 => (0..=100_u64, 0..4_usize, 0..2_usize)
            .prop_map(|(percent, scope, filter)| Step::Watch { percent, scope, filter }),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Pod {
    revision: u64,
    node: &'static str,
    app: &'static str,
}

/// The state after each revision, by key text.
type Model = Vec<BTreeMap<String, Pod>>;

fn scope(which: usize) -> Scope {
    match which {
        0 => Scope::All,
        1 => Scope::Namespace("other".into()),
        2 => Scope::Object { namespace: "default".into(), name: "a".into() },
        _ => Scope::Indexed { field: "spec.nodeName", value: "n1".into() },
    }
}

fn filter(which: usize) -> Option<Filter> {
    (which == 1)
        .then(|| Arc::new(|pod: &gantry_watch_cache::CachedObject| pod.labels().get("app") == Some("x")) as Filter)
}

/// Whether the model's pod is in the scope and passes the filter.
fn selected(key: &str, pod: &Pod, scope: usize, filter: usize) -> bool {
    let within = match scope {
        0 => true,
        1 => key.starts_with("/core/pods/other/"),
        2 => key == "/core/pods/default/a",
        _ => pod.node == "n1",
    };
    within && (filter == 0 || pod.app == "x")
}

fn expected_list(state: &BTreeMap<String, Pod>, scope: usize, filter: usize) -> Vec<String> {
    let selected = state.iter().filter(|(key, pod)| selected(key, pod, scope, filter));
    selected.map(|(key, pod)| format!("{key}@{}", pod.revision)).collect()
}

fn expected_events(model: &Model, after: u64, scope: usize, filter: usize) -> Vec<String> {
    let mut events = Vec::new();
    for (revision, pair) in model.windows(2).enumerate().skip(after as usize).map(|(n, pair)| (n + 1, pair)) {
        let keys: std::collections::BTreeSet<_> = pair[0].keys().chain(pair[1].keys()).collect();
        for key in keys.into_iter().filter(|key| pair[0].get(*key) != pair[1].get(*key)) {
            let [before, now] =
                [&pair[0], &pair[1]].map(|s| s.get(key).is_some_and(|p| selected(key, p, scope, filter)));
            let kind = match (before, now) {
                (false, false) => continue,
                (false, true) => "+",
                (true, true) => "~",
                (true, false) => "-",
            };
            events.push(format!("{kind}{key}@{revision}"));
        }
    }
    events
}

/// Pages of two, put together.
fn listed(cache: &WatchCache, at: u64, scope_of: usize, filter_of: usize) -> Result<Vec<String>, ListError> {
    let mut cursor: Option<PageCursor> = None;
    let mut all = Vec::new();
    loop {
        let at = At::Exact(Revision(at));
        let request = ListRequest { scope: scope(scope_of), at, cursor, limit: 2, filter: filter(filter_of) };
        let page = cache.list(PODS, &request)?;
        all.extend(page.objects.iter().map(|o| format!("{}@{}", o.key(), o.revision())));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

async fn play(steps: Vec<Step>) {
    let (_, cache) = fixture().await;
    let mut model: Model = vec![BTreeMap::new()];
    let (mut floor, mut watches) = (0, Vec::new());
    for step in steps {
        let head = model.len() as u64 - 1;
        match step {
            Step::Put { name, node, app } => {
                let revision = put_pod(&cache, name, node, app).await.0;
                let mut state = model[head as usize].clone();
                state.insert(pod_key(name).to_string(), Pod { revision, node, app });
                model.push(state);
            }
            Step::Delete { name } if cache.get(&pod_key(name)).is_some() => {
                delete_pod(&cache, name).await;
                let mut state = model[head as usize].clone();
                state.remove(pod_key(name).as_str()).expect("the model has what the cache has");
                model.push(state);
            }
            Step::Delete { .. } => {}
            Step::Forget { percent } => {
                floor = floor.max(head * percent / 100);
                cache.forget(Shard::Durable, Revision(floor));
                // Those that are behind would end; that is tested by itself.
                watches.clear();
            }
            Step::Watch { percent, scope: s, filter: f } => {
                let from = floor.max(head * percent / 100);
                watches.push((from, s, f, cache.watch(PODS, scope(s), Revision(from), filter(f)).unwrap()));
            }
        }
    }
    for (revision, state) in model.iter().enumerate() {
        for (s, f) in (0..4).flat_map(|s| [(s, 0), (s, 1)]) {
            match listed(&cache, revision as u64, s, f) {
                Ok(found) => {
                    assert!(revision as u64 >= floor);
                    assert_eq!(found, expected_list(state, s, f), "at {revision}");
                }
                Err(ListError::Expired(_)) => assert!((revision as u64) < floor),
                Err(other) => panic!("{other}"),
            }
        }
    }
    for (from, s, f, mut watch) in watches {
        let mut found = Vec::new();
        while let Some(batch) = watch.try_next_batch().unwrap() {
            found.extend(seen(&batch.deliveries, |o| o.key().to_string()));
        }
        assert_eq!(found, expected_events(&model, from, s, f), "from {from}, scope {s}, filter {f}");
        assert_eq!(watch.progress().0, model.len() as u64 - 1);
    }
    assert!(cache.self_check(Shard::Durable).await.unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_as_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}
