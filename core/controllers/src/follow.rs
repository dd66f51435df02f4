//! What a controller watches, followed: its caches first, then the events that make it work.

use std::{sync::Arc, time::Duration};

use gantry_meta::GroupVersionResource;
use gantry_plugin_host::Watch;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    controller::Controller,
    store::{Change, ResourceStore},
    stores::{Served, gvr, is_followed_by_everything},
};

/// A watch on everything starts without those that cannot be listed within this time.
const EVERYTHING_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn watch_gvr(watch: &Watch) -> GroupVersionResource {
    GroupVersionResource::new(&watch.group, &watch.version, &watch.resource)
}

pub(crate) fn is_everything(watch: &Watch) -> bool {
    watch.resource == "*"
}

/// Waits for the caches, then lets the controller work until `stop`.
pub(crate) async fn follow(controller: Arc<Controller>, served: Served, stop: CancellationToken) {
    let (sender, events) = mpsc::unbounded_channel();
    let synced = async {
        for store in &controller.reader.watched {
            store.synced().await;
        }
    };
    if stop.run_until_cancelled(synced).await.is_none() {
        return;
    }
    for (index, watch) in controller.watches.iter().enumerate().filter(|(_, watch)| !is_everything(watch)) {
        if let Some(store) = controller.stores.get(&watch_gvr(watch)) {
            store.subscribe(sender.clone(), index);
        }
    }
    if let Some(index) = controller.watches.iter().position(is_everything) {
        let first = follow_everything(&controller, &served, &sender, index);
        if stop.run_until_cancelled(first).await.is_none() {
            return;
        }
        tokio::spawn(stop.clone().run_until_cancelled_owned(follow_more(controller.clone(), served, sender, index)));
    }
    info!(plugin = controller.plugin.id(), "controller started");
    controller.run(events, stop).await;
}

type Events = mpsc::UnboundedSender<(usize, Change)>;

/// Begins to follow what is served and not followed yet; the future waits until their first lists have come.
fn follow_everything(
    controller: &Controller,
    served: &Served,
    sender: &Events,
    index: usize,
) -> impl Future<Output = ()> + use<> {
    let now = served.borrow().clone();
    let mut fresh: Vec<Arc<ResourceStore>> = Vec::new();
    for one in now.iter().filter(|one| is_followed_by_everything(one)) {
        let store = controller.stores.follow(&gvr(one), &one.name.kind);
        let mut everything = controller.reader.everything.write();
        if !everything.iter().any(|known| Arc::ptr_eq(known, &store)) {
            everything.push(store.clone());
            store.subscribe(sender.clone(), index);
            fresh.push(store);
        }
    }
    async move {
        let all = async {
            for store in &fresh {
                store.synced().await;
            }
        };
        if timeout(EVERYTHING_LIMIT, all).await.is_err() {
            warn!("some resources cannot be listed; controllers of everything start without them");
        }
    }
}

async fn follow_more(controller: Arc<Controller>, mut served: Served, sender: Events, index: usize) {
    while served.changed().await.is_ok() {
        follow_everything(&controller, &served, &sender, index).await;
    }
}
