//! Follows a resource for as long as the process lives: list, then watch from where the list ended, and again from where the
//! watch ended, whatever breaks.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use gantry_meta::GroupVersionResource;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{Backoff, ListOptions, ObjectSource, Observed, SourceError, WatchEvent, WatchStream};

/// What a reflector fills.
pub trait ReflectorTarget: Send + Sync {
    /// These objects, and no others, exist now.
    fn replaced(&self, items: Vec<Observed>);
    /// The object was created or changed.
    fn applied(&self, object: Observed);
    /// The object is gone; this is its last state.
    fn deleted(&self, object: Observed);
    /// All changes up to this resourceVersion have been told, those of objects that are gone again too.
    fn progressed(&self, resource_version: &str) {
        let _ = resource_version;
    }
}

/// Where a reflector stands. Each variant says how it is left.
#[derive(Debug)]
enum Phase {
    /// Nothing is known.
    /// - the list arrives: the target is replaced → `Opening`
    /// - the list fails: back-off → `Listing`
    Listing,
    /// Everything up to `after` is known; no watch is open.
    /// - the watch opens → `Watching`
    /// - history is gone (410) → `Listing`, at once
    /// - refused or unreachable: back-off → `Opening`; a refusal other than a passing one → `Listing`
    Opening { after: String },
    /// Events arrive; `after` moves with each, bookmarks included.
    /// - the server ends the stream → `Opening`, after a short pause if it had nothing to tell
    /// - history is gone (410) → `Listing`
    /// - the connection breaks: back-off → `Opening`
    Watching { after: String, events: Events },
}

struct Events(WatchStream);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// Follows one resource under one selection.
pub struct Reflector<T: ?Sized> {
    source: Arc<dyn ObjectSource>,
    resource: GroupVersionResource,
    options: ListOptions,
    target: Arc<T>,
    backoff: Backoff,
}

impl<T: ReflectorTarget + ?Sized> Reflector<T> {
    pub fn new(
        source: Arc<dyn ObjectSource>,
        resource: GroupVersionResource,
        options: ListOptions,
        target: Arc<T>,
    ) -> Self {
        Self { source, resource, options, target, backoff: Backoff::default() }
    }

    /// With other delays between attempts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let work = async {
            let mut phase = Phase::Listing;
            loop {
                phase = self.step(phase).await;
            }
        };
        let never: Option<std::convert::Infallible> = stop.run_until_cancelled(work).await;
        debug_assert!(never.is_none(), "the loop ends only by the token");
    }

    async fn step(&mut self, phase: Phase) -> Phase {
        match phase {
            Phase::Listing => self.list().await,
            Phase::Opening { after } => self.open(after).await,
            Phase::Watching { after, events } => self.follow(after, events).await,
        }
    }

    async fn list(&mut self) -> Phase {
        match self.source.list(&self.resource, &self.options).await {
            Ok(listed) => {
                self.target.replaced(listed.items);
                self.target.progressed(&listed.resource_version);
                self.backoff.reset();
                Phase::Opening { after: listed.resource_version }
            }
            Err(error) => {
                self.pause("list", &error).await;
                Phase::Listing
            }
        }
    }

    async fn open(&mut self, after: String) -> Phase {
        match self.source.watch(&self.resource, &self.options, &after).await {
            Ok(stream) => Phase::Watching { after, events: Events(stream) },
            Err(error) => self.recover("watch", after, error).await,
        }
    }

    async fn follow(&mut self, mut after: String, mut events: Events) -> Phase {
        let mut told = false;
        while let Some(event) = events.0.next().await {
            match event {
                Ok(event) => after = self.deliver(event),
                Err(error) => return self.recover("watch", after, error).await,
            }
            told = true;
            self.backoff.reset();
        }
        if !told {
            // A server that ends watches at once must not be asked in a tight loop.
            tokio::time::sleep(self.backoff.next_delay()).await;
        }
        Phase::Opening { after }
    }

    /// Hands an event on; returns the resourceVersion that is now known.
    fn deliver(&self, event: WatchEvent) -> String {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let after = object.resource_version.clone();
                self.target.applied(object);
                after
            }
            WatchEvent::Deleted(object) => {
                let after = object.resource_version.clone();
                self.target.deleted(object);
                after
            }
            WatchEvent::Bookmark(after) => {
                self.target.progressed(&after);
                after
            }
        }
    }

    async fn recover(&mut self, what: &str, after: String, error: SourceError) -> Phase {
        match error {
            SourceError::Expired => {
                debug!(resource = %self.resource.resource, "history is gone, listing again");
                Phase::Listing
            }
            SourceError::Unavailable(_) => {
                self.pause(what, &error).await;
                Phase::Opening { after }
            }
            SourceError::Refused(_) => {
                self.pause(what, &error).await;
                Phase::Listing
            }
        }
    }

    async fn pause(&mut self, what: &str, error: &SourceError) {
        let delay: Duration = self.backoff.next_delay();
        warn!(resource = %self.resource.resource, %error, ?delay, "{what} failed, trying again");
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures::stream;
    use gantry_meta::{Reason, Status};
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;
    use crate::{Cache, Listed};

    type WatchAnswer = Result<Vec<Result<WatchEvent, SourceError>>, SourceError>;

    /// Answers from a script; an exhausted watch script never answers.
    #[derive(Default)]
    struct Scripted {
        lists: Mutex<VecDeque<Result<Listed, SourceError>>>,
        watches: Mutex<VecDeque<WatchAnswer>>,
        watched_from: Mutex<Vec<String>>,
        idle: Notify,
    }

    #[async_trait]
    impl ObjectSource for Scripted {
        async fn get(&self, _: &GroupVersionResource, _: &str, _: &str) -> Result<Option<Observed>, SourceError> {
            unreachable!("reflectors do not get")
        }

        async fn list(&self, _: &GroupVersionResource, _: &ListOptions) -> Result<Listed, SourceError> {
            self.lists.lock().pop_front().expect("one more list than scripted")
        }

        async fn watch(
            &self,
            _: &GroupVersionResource,
            _: &ListOptions,
            after: &str,
        ) -> Result<WatchStream, SourceError> {
            self.watched_from.lock().push(after.to_owned());
            let Some(answer) = self.watches.lock().pop_front() else {
                self.idle.notify_one();
                return Ok(stream::pending().boxed());
            };
            answer.map(|events| stream::iter(events).boxed())
        }
    }

    fn object(name: &str, revision: &str) -> Observed {
        Observed {
            namespace: "ns".into(),
            name: name.into(),
            uid: name.into(),
            resource_version: revision.into(),
            json: Bytes::from_static(b"{}"),
        }
    }

    fn listed(revision: &str, names: &[&str]) -> Result<Listed, SourceError> {
        let items = names.iter().map(|name| object(name, revision)).collect();
        Ok(Listed { resource_version: revision.into(), items })
    }

    async fn run(script: Scripted) -> (Vec<String>, Vec<String>) {
        let source = Arc::new(script);
        let cache = Arc::new(Cache::<Observed>::new());
        let resource = GroupVersionResource::new("", "v1", "pods");
        let reflector = Reflector::new(source.clone(), resource, ListOptions::default(), cache.clone());
        let stop = CancellationToken::new();
        let task = tokio::spawn(reflector.run(stop.clone()));
        source.idle.notified().await;
        stop.cancel();
        task.await.unwrap();
        let mut names: Vec<String> =
            cache.list().iter().map(|o| format!("{}@{}", o.name, o.resource_version)).collect();
        names.sort();
        let from = source.watched_from.lock().clone();
        (names, from)
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_resumes_where_the_last_one_ended_and_counts_bookmarks() {
        let script = Scripted::default();
        script.lists.lock().push_back(listed("5", &["a", "b"]));
        script.watches.lock().extend([
            Ok(vec![Ok(WatchEvent::Modified(object("a", "6"))), Ok(WatchEvent::Deleted(object("b", "7")))]),
            Ok(vec![Ok(WatchEvent::Bookmark("9".into()))]),
            Ok(vec![Err(SourceError::Unavailable("reset".into()))]),
        ]);
        let (names, from) = run(script).await;
        assert_eq!(names, ["a@6"]);
        assert_eq!(from, ["5", "7", "9", "9"]);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_history_is_listed_again_and_what_is_missing_goes() {
        let script = Scripted::default();
        script.lists.lock().extend([listed("5", &["a", "b"]), listed("50", &["b", "c"])]);
        script.watches.lock().push_back(Err(SourceError::Expired));
        let (names, from) = run(script).await;
        assert_eq!(names, ["b@50", "c@50"]);
        assert_eq!(from, ["5", "50"]);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_until_they_pass() {
        let script = Scripted::default();
        let forbidden = || SourceError::Refused(Box::new(Status::failure(Reason::Forbidden, "no")));
        script.lists.lock().extend([
            Err(SourceError::Unavailable("down".into())),
            Err(forbidden()),
            listed("5", &["a"]),
            listed("6", &["a"]),
        ]);
        script.watches.lock().push_back(Err(forbidden()));
        let (names, from) = run(script).await;
        assert_eq!(names, ["a@6"]);
        assert_eq!(from, ["5", "6"]);
    }
}
