//! Changes of a collection as they happen.

use std::{sync::Arc, time::Duration, vec};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use gantry_meta::{Reason, Status};
use gantry_storage::Revision;
use gantry_watch_cache::{Batch, CachedObject, Expired, ListError, ListRequest, Watch};
use rand::Rng as _;
use tokio::time::Instant;

use super::{PATIENCE, Selection, rules, served_wire};
use crate::{
    failures::{lagging, list_failed},
    request::{ListOptions, Target},
    response::{ApiResponse, WatchResponse},
    served::Served,
    state::State,
    watch_event::{WatchEvent, WatchEventType, WatchEvents},
};

/// How often a watch that allows them gets a bookmark.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long before its end a watch gets the last one, so that its client goes on from there.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// A watch without `timeoutSeconds` ends after a random time in this range, so that clients spread out again.
const TIMEOUT_SECONDS: std::ops::Range<u64> = 1800..3600;
/// A client may ask for any number: what is longer than a year ends after a year.
const LONGEST_SECONDS: u64 = 365 * 24 * 3600;

pub(crate) async fn watch(
    state: &State,
    served: &Arc<Served>,
    target: &Target,
    options: &ListOptions,
) -> Result<ApiResponse, Status> {
    rules::check_watch(options)?;
    let selection = Selection::new(served, target, options)?;
    let start = Start::read(options)?;
    let opened = start.open(state, served, selection).await;
    let events = match opened {
        Ok((initial, watch)) => follow(served, options, start, initial, watch).boxed(),
        // Too old is told within the stream: clients look for it there.
        Err(OpenError::Expired(expired)) => stream::iter([one(expired_event(expired))]).boxed(),
        Err(OpenError::Lagging(status)) => stream::iter([one(error_event(&status))]).boxed(),
        Err(OpenError::Refused(status)) => return Err(status),
    };
    Ok(ApiResponse::Watch(WatchResponse { resource: served.gvr.clone(), kind: served.gvk.clone(), events }))
}

enum OpenError {
    Expired(Expired),
    /// The version whose objects are to come first is not there yet.
    Lagging(Status),
    Refused(Status),
}

impl From<Status> for OpenError {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<ListError> for OpenError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Expired(expired) => Self::Expired(expired),
            other => Self::Refused(list_failed(other)),
        }
    }
}

/// What a watch begins with.
#[derive(Clone, Copy)]
struct Start {
    /// `None`: what is there now, consistently. 0: what the cache has.
    version: Option<u64>,
    initial_events: bool,
    /// The end of the initial events is marked with a bookmark.
    mark_end: bool,
}

impl Start {
    fn read(options: &ListOptions) -> Result<Self, Status> {
        let version = rules::version(&options.resource_version)?;
        let from_now = version.is_none_or(|version| version == 0);
        let initial_events = options.send_initial_events.unwrap_or(from_now);
        Ok(Self { version, initial_events, mark_end: initial_events && options.allow_watch_bookmarks })
    }

    /// The initial objects, if any are sent, and the watch that goes on from there without a gap.
    async fn open(
        self,
        state: &State,
        served: &Served,
        selection: Selection,
    ) -> Result<(Option<Initial>, Watch), OpenError> {
        let Selection { scope, filter, .. } = selection;
        let (cache, prefix) = (&state.cache, &*served.prefix);
        if !self.initial_events {
            let from = match self.version {
                Some(version) if version > 0 => Revision(version),
                _ => cache.consistent(served.shard).await.map_err(|error| lagging(&error))?,
            };
            return Ok((None, cache.watch(prefix, scope, from, filter)?));
        }
        match self.version {
            None => _ = cache.consistent(served.shard).await.map_err(|error| lagging(&error))?,
            Some(0) => {}
            Some(version) => {
                let reached = cache.wait_for(served.shard, Revision(version), PATIENCE).await;
                reached.map_err(|error| OpenError::Lagging(lagging(&error)))?;
            }
        }
        let request = ListRequest { filter: filter.clone(), ..ListRequest::new(scope.clone()) };
        let page = cache.list(prefix, &request)?;
        let watch = cache.watch(prefix, scope, page.revision, filter)?;
        Ok((Some(Initial { objects: page.objects, revision: page.revision }), watch))
    }
}

struct Initial {
    objects: Vec<Arc<CachedObject>>,
    revision: Revision,
}

/// The stream: initial objects, the mark of their end, then batches until the time is up or history is gone.
fn follow(
    served: &Arc<Served>,
    options: &ListOptions,
    start: Start,
    initial: Option<Initial>,
    watch: Watch,
) -> impl futures::Stream<Item = WatchEvents> + Send + 'static {
    let seconds = options.timeout_seconds.unwrap_or_else(|| rand::rng().random_range(TIMEOUT_SECONDS));
    let mark = initial.as_ref().filter(|_| start.mark_end).map(|i| bookmark(served, i.revision, true));
    let objects = initial.map(|initial| initial.objects).unwrap_or_default();
    let of = served.clone();
    let added = move |object: &Arc<CachedObject>| event(&of, WatchEventType::Added, object);
    let first =
        stream::iter(Initials(objects.into_iter())).map(move |few| WatchEvents::Own(few.iter().map(&added).collect()));
    let now = Instant::now();
    let ends_at = now + Duration::from_secs(seconds.min(LONGEST_SECONDS));
    let follower = Follower {
        served: served.clone(),
        watch,
        ends_at,
        bookmark_at: if options.allow_watch_bookmarks { next_bookmark(now, ends_at) } else { None },
        ended: false,
    };
    let later = stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((events, follower))
    });
    first.chain(stream::iter(mark.map(one))).chain(later)
}

/// Initial objects that are sent on together.
const INITIALS: usize = 64;

/// Cuts the initial objects into pieces.
struct Initials(vec::IntoIter<Arc<CachedObject>>);

impl Iterator for Initials {
    type Item = Vec<Arc<CachedObject>>;

    fn next(&mut self) -> Option<Self::Item> {
        let few: Vec<_> = self.0.by_ref().take(INITIALS).collect();
        (!few.is_empty()).then_some(few)
    }
}

fn one(event: WatchEvent) -> WatchEvents {
    WatchEvents::Own(vec![event])
}

struct Follower {
    served: Arc<Served>,
    watch: Watch,
    ends_at: Instant,
    /// `None`: no more bookmarks.
    bookmark_at: Option<Instant>,
    ended: bool,
}

/// When the next bookmark is due; `None` if that is too near the end.
fn next_bookmark(now: Instant, ends_at: Instant) -> Option<Instant> {
    let last = ends_at.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now)?;
    Some(last.min(now + BOOKMARK_EVERY))
}

impl Follower {
    /// The next events; `None` once the watch is over.
    async fn next(&mut self) -> Option<WatchEvents> {
        while !self.ended {
            tokio::select! {
                batch = self.watch.next_batch() => return Some(match batch {
                    Ok(batch) => events(&self.served, batch),
                    Err(expired) => {
                        self.ended = true;
                        one(expired_event(expired))
                    }
                }),
                () = tokio::time::sleep_until(self.bookmark_at.unwrap_or(self.ends_at)) => {
                    self.ended = self.bookmark_at.is_none();
                    if self.bookmark_at.is_some() {
                        self.bookmark_at = next_bookmark(Instant::now(), self.ends_at);
                        // Not what is applied: what waits to be sent would be behind the client's back.
                        return Some(one(bookmark(&self.served, self.watch.progress(), false)));
                    }
                }
            }
        }
        None
    }
}

fn events(served: &Served, batch: Arc<Batch>) -> WatchEvents {
    match served.conversion {
        None => WatchEvents::Shared(batch),
        Some(_) => WatchEvents::Own(batch.deliveries.iter().map(|d| event(served, d.kind.into(), &d.object)).collect()),
    }
}

fn event(served: &Served, event_type: WatchEventType, object: &CachedObject) -> WatchEvent {
    match served.conversion {
        None => WatchEvent::cached(event_type, object),
        Some(_) => WatchEvent::from_json(event_type, &served_wire(served, object)),
    }
}

/// A zero-valued object of the kind that carries only the revision.
fn bookmark(served: &Served, revision: Revision, end_of_initial_events: bool) -> WatchEvent {
    let mut object = gantry_meta::Object::new();
    object.insert("kind".into(), (*served.gvk.kind).into());
    object.insert("apiVersion".into(), served.gvk.api_version().into());
    let mut metadata = serde_json::json!({"resourceVersion": revision.to_string()});
    if end_of_initial_events {
        metadata["annotations"] = serde_json::json!({"k8s.io/initial-events-end": "true"});
    }
    object.insert("metadata".into(), metadata);
    gantry_codec::canonical::fill(&served.resource.root, &mut object);
    WatchEvent::from_json(WatchEventType::Bookmark, &gantry_codec::encode(&object))
}

fn expired_event(expired: Expired) -> WatchEvent {
    let message = format!("too old resource version: history begins at {}", expired.floor);
    error_event(&Status::failure(Reason::Expired, message))
}

fn error_event(status: &Status) -> WatchEvent {
    let json = serde_json::to_vec(status).expect("a Status can always be written");
    WatchEvent::from_json(WatchEventType::Error, &Bytes::from(json))
}
