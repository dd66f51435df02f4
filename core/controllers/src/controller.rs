//! One controller plugin at work: events become keys, keys are reconciled in batches, what comes of it is executed.

use std::{ops::Deref, sync::Arc, time::Duration};

use futures::FutureExt;
use gantry_plugin_host::{CallError, CallSpec, Mapping, Planned, Plugin, Reconciled, Services, Watch, Work, WorkKey};
use gantry_runtime::WorkQueue;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    execute::{Effect, Executed, Executor},
    reader::ControllerReader,
    store::{Change, Entry},
    stores::Stores,
};

/// As many keys as one call may take.
const BATCH_MAX: usize = 64;
/// Calls of one plugin under way at once.
const CALLS_MAX: usize = 4;
const EVENTS_MAX: usize = 256;
/// A write whose event does not come within this time is no longer waited for.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(10);
/// A quarantined plugin is asked again at least this often.
const QUARANTINE_POLL: Duration = Duration::from_secs(60);

/// What a controller keeps of its keys beside the queue.
#[derive(Default)]
struct Keys {
    /// JSON of what failed of the last operations.
    failures: HashMap<WorkKey, String>,
    /// They were in a batch that failed as a whole: from now on each goes alone, so the guilty one harms no other.
    alone: HashSet<WorkKey>,
    /// The next timed look at a key; a newer outcome replaces it.
    alarms: HashMap<WorkKey, AbortHandle>,
}

/// What a controller is made of.
pub(crate) struct Parts {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) reader: Arc<ControllerReader>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) executor: Executor,
}

pub(crate) struct Controller {
    parts: Parts,
    budget: Duration,
    queue: Arc<WorkQueue<WorkKey>>,
    keys: Mutex<Keys>,
}

impl Deref for Controller {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Controller {
    /// `budget`: what one call of the plugin may take.
    pub(crate) fn new(parts: Parts, queue: WorkQueue<WorkKey>, budget: Duration) -> Arc<Self> {
        Arc::new(Self { parts, budget, queue: Arc::new(queue), keys: Mutex::default() })
    }

    /// Works until `stop`. `events` come from the stores, each with the index of its watch.
    pub(crate) async fn run(
        self: Arc<Self>,
        events: mpsc::UnboundedReceiver<(usize, Change)>,
        stop: CancellationToken,
    ) {
        let mapping = stop.clone().run_until_cancelled_owned(self.clone().map_events(events));
        let working = stop.run_until_cancelled_owned(self.clone().dispatch());
        tokio::join!(mapping, working);
        self.queue.close();
        self.keys.lock().alarms.drain().for_each(|(_, alarm)| alarm.abort());
    }

    async fn map_events(self: Arc<Self>, mut events: mpsc::UnboundedReceiver<(usize, Change)>) {
        let mut batch = Vec::new();
        while events.recv_many(&mut batch, EVENTS_MAX).await > 0 {
            let mut custom = Vec::new();
            for (watch, change) in batch.drain(..) {
                match &self.watches[watch].mapping {
                    Mapping::None => {}
                    Mapping::Itself => self.add(itself(&change)),
                    Mapping::Owner { group, kind } => self.add(owners(&change, group, kind)),
                    Mapping::Custom => custom.push((watch, change)),
                }
            }
            if !custom.is_empty() {
                self.map_custom(Arc::from(custom)).await;
            }
        }
    }

    fn add(&self, keys: impl IntoIterator<Item = WorkKey>) {
        keys.into_iter().for_each(|key| self.queue.add(key));
    }

    /// Asks the plugin. No event is lost while it is quarantined: they wait here.
    async fn map_custom(&self, events: Arc<[(usize, Change)]>) {
        let mut pause = Duration::from_millis(100);
        loop {
            let (reader, events) = (self.reader.clone(), events.clone());
            let budget = self.budget;
            let mapped = self.plugin.run(move |plugin, hang| {
                let services = Services { reader: Some(&*reader), ..Services::default() };
                let spec = CallSpec { budget: Some(budget), services, hang: Some(hang), ..CallSpec::default() };
                map_all(plugin, &spec, &events)
            });
            match mapped.await {
                Ok(keys) => return self.add(keys),
                Err(error) => {
                    warn!(plugin = self.plugin.id(), %error, "events could not be mapped, trying again");
                    sleep(pause).await;
                    pause = (pause * 2).min(QUARANTINE_POLL);
                }
            }
        }
    }

    async fn dispatch(self: Arc<Self>) {
        let calls = Arc::new(Semaphore::new(CALLS_MAX));
        loop {
            // Keys gather while all calls are under way, and then go together.
            let Ok(permit) = calls.clone().acquire_owned().await else { return };
            let Some(batch) = self.next_batch().await else { return };
            tokio::spawn(self.clone().work(batch, permit));
        }
    }

    async fn next_batch(&self) -> Option<Vec<WorkKey>> {
        let first = self.queue.next().await?;
        if self.keys.lock().alone.contains(&first) {
            return Some(vec![first]);
        }
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Some(Some(key)) = self.queue.next().now_or_never()
        {
            if self.keys.lock().alone.contains(&key) {
                // Its turn comes by itself.
                self.queue.add(key.clone());
                self.queue.done(&key);
                break;
            }
            batch.push(key);
        }
        Some(batch)
    }

    async fn work(self: Arc<Self>, batch: Vec<WorkKey>, permit: OwnedSemaphorePermit) {
        let work: Vec<Work> = batch.iter().map(|key| self.work_of(key)).collect();
        let (reader, budget) = (self.reader.clone(), self.budget);
        let reconciled = self.plugin.run(move |plugin, hang| {
            let services = Services { reader: Some(&*reader), ..Services::default() };
            let spec = CallSpec { budget: Some(budget), services, hang: Some(hang), ..CallSpec::default() };
            plugin.controller_reconcile(&spec, &work)
        });
        let reconciled = reconciled.await;
        drop(permit);
        match reconciled {
            Ok(all) => batch.into_iter().zip(all).for_each(|(key, one)| {
                tokio::spawn(self.clone().finish(key, one));
            }),
            Err(error) => self.put_off(batch, &error),
        }
    }

    fn work_of(&self, key: &WorkKey) -> Work {
        let failures = self.keys.lock().failures.get(key).cloned().unwrap_or_default();
        Work { key: key.clone(), attempt: self.queue.failures(key), failures }
    }

    /// The call failed as a whole: nothing is known of any key.
    fn put_off(&self, batch: Vec<WorkKey>, error: &CallError) {
        debug!(plugin = self.plugin.id(), %error, keys = batch.len(), "reconciling is put off");
        for key in batch {
            match error {
                CallError::Quarantined { seconds, .. } => {
                    self.queue.add_after(key.clone(), Duration::from_secs(*seconds).min(QUARANTINE_POLL));
                }
                CallError::Off { .. } => self.queue.add_after(key.clone(), QUARANTINE_POLL),
                _ => {
                    self.keys.lock().alone.insert(key.clone());
                    self.queue.retry(key.clone());
                }
            }
            self.queue.done(&key);
        }
    }

    async fn finish(self: Arc<Self>, key: WorkKey, reconciled: Reconciled) {
        let executed = self.executor.execute(&reconciled.ops).await;
        self.catch_up(&executed).await;
        self.keys.lock().alone.remove(&key);
        self.settle(&key, &executed, reconciled.then);
        self.queue.done(&key);
    }

    /// Conflicts come and go; what stays is worth a line.
    fn complain(&self, key: &WorkKey, why: &str) {
        let (plugin, failures) = (self.plugin.id(), self.queue.failures(key) + 1);
        if failures == 5 || failures.is_multiple_of(50) {
            warn!(plugin, ?key, why, failures, "reconciling fails again and again");
        } else {
            debug!(plugin, ?key, why, failures, "reconciling failed, trying again");
        }
    }

    fn settle(&self, key: &WorkKey, executed: &Executed, then: Planned) {
        let mut keys = self.keys.lock();
        if let Some(alarm) = keys.alarms.remove(key) {
            alarm.abort();
        }
        if let Some(first) = executed.failed.first() {
            self.complain(key, &first.message);
            keys.failures.insert(key.clone(), serde_json::to_string(&executed.failed).unwrap_or_default());
            return self.queue.retry(key.clone());
        }
        keys.failures.remove(key);
        match then {
            Planned::Retry(why) => {
                self.complain(key, &why);
                self.queue.retry(key.clone());
            }
            Planned::Done => self.queue.forget(key),
            Planned::Requeue(wait) => {
                self.queue.forget(key);
                let (queue, due) = (self.queue.clone(), key.clone());
                let alarm = tokio::spawn(async move {
                    sleep(wait).await;
                    queue.add(due);
                });
                keys.alarms.insert(key.clone(), alarm.abort_handle());
            }
        }
    }

    /// Waits until the stores show what was written: the next call for the key must see its own work, or it would do it twice.
    async fn catch_up(&self, executed: &Executed) {
        for effect in &executed.effects {
            if timeout(CATCH_UP_LIMIT, self.shown(effect)).await.is_err() {
                warn!(plugin = self.plugin.id(), ?effect, "a write is not yet seen in the cache");
            }
        }
    }

    async fn shown(&self, effect: &Effect) {
        match effect {
            Effect::Written { resource, revision: Some(revision), .. } => {
                if let Some(store) = self.stores.get(resource) {
                    store.reached(*revision).await;
                }
            }
            Effect::Deleted { resource, namespace, name, uid } => {
                if let Some(store) = self.stores.get(resource) {
                    store.going(namespace, name, uid).await;
                }
            }
            Effect::Written { revision: None, .. } | Effect::Nothing => {}
        }
    }
}

fn key_of(entry: &Entry) -> WorkKey {
    let record = &entry.record;
    WorkKey { scope: String::new(), namespace: record.namespace.to_string(), name: record.name.to_string() }
}

fn itself(change: &Change) -> Option<WorkKey> {
    change.new.as_ref().or(change.old.as_ref()).map(|entry| key_of(entry))
}

/// The controlling owners before and after: an object that changes hands concerns both.
fn owners<'c>(change: &'c Change, group: &'c str, kind: &'c str) -> impl Iterator<Item = WorkKey> + 'c {
    let states = change.old.iter().chain(&change.new);
    states.filter_map(move |entry| {
        let owner = entry.controller().filter(|owner| owner.group() == group && owner.kind == kind)?;
        Some(WorkKey { scope: String::new(), namespace: entry.record.namespace.to_string(), name: owner.name.clone() })
    })
}

fn map_all(plugin: &Plugin, spec: &CallSpec<'_>, events: &[(usize, Change)]) -> Result<Vec<WorkKey>, CallError> {
    let mut keys = Vec::new();
    for (watch, change) in events {
        let record = |entry: &'_ Option<Arc<Entry>>| entry.as_ref().map(|entry| entry.record.clone());
        let (old, new) = (record(&change.old), record(&change.new));
        keys.extend(plugin.controller_map(spec, *watch, old.as_deref(), new.as_deref())?);
    }
    Ok(keys)
}
