//! Collections, whole or page by page, at one revision.

use std::sync::Arc;

use gantry_meta::Status;
use gantry_storage::Revision;
use gantry_watch_cache::{At, CachedObject, Filter, ListError, ListRequest, Page, PageCursor, Scope};

use super::{PATIENCE, Selection, continue_token::ContinueToken, rules, served_wire};
use crate::{
    failures::{lagging, list_failed},
    request::{ListOptions, Target},
    response::{ApiResponse, ListItem, ListMetadata, ListResponse},
    served::Served,
    state::State,
};

pub(crate) async fn list(
    state: &State,
    served: &Served,
    target: &Target,
    options: &ListOptions,
) -> Result<ApiResponse, Status> {
    rules::check_list(options)?;
    if !served.resource.is_stored() {
        Selection::new(served, target, options)?;
        return Ok(ApiResponse::List(nothing(served)));
    }
    Ok(ApiResponse::List(answer(served, target, page(state, served, target, options).await?)))
}

/// 0: everything. Who takes any version, however old, gets it in one piece, as clients that fill a cache rely on.
fn page_limit(options: &ListOptions) -> usize {
    if options.resource_version == "0" { 0 } else { usize::try_from(options.limit).unwrap_or_default() }
}

/// What a deletecollection is about: a page as a list's.
pub(crate) async fn page_to_delete(
    state: &State,
    served: &Served,
    target: &Target,
    options: &ListOptions,
) -> Result<Page, Status> {
    rules::check_list(options)?;
    // It goes through the collection in pages, whatever their size, and so at the very version that is named.
    let exact = options.limit == 0 && options.resource_version_match.is_empty();
    let exactly = ListOptions { resource_version_match: "Exact".into(), ..options.clone() };
    let pinned = !matches!(options.resource_version.as_str(), "" | "0");
    page(state, served, target, if exact && pinned { &exactly } else { options }).await
}

/// One page as the options ask for it, at the revision they name.
async fn page(state: &State, served: &Served, target: &Target, options: &ListOptions) -> Result<Page, Status> {
    let selection = Selection::new(served, target, options)?;
    let one = matches!(selection.scope, Scope::Object { .. });
    let start = Start::read(served, target, options, one)?;
    let at = start.reach(state, served).await?;
    // Whatever the selector, it is not said how many objects are left.
    let uncounted = || (!selection.unselective).then(|| Arc::new(|_: &CachedObject| true) as Filter);
    let request = ListRequest {
        scope: selection.scope,
        at,
        cursor: start.token.map(|token| token.cursor),
        limit: page_limit(options),
        filter: selection.filter.or_else(uncounted),
    };
    state.cache.list(&served.prefix, &request).map_err(|error| match (error, &request.cursor) {
        (ListError::Expired(_), Some(cursor)) => expired_page(served, target, cursor.clone()),
        (error, _) => list_failed(error),
    })
}

/// The prefix of the keys in a list, by the path it was asked for under.
fn prefix_of(served: &Served, target: &Target) -> String {
    match target.namespace.as_str() {
        "" if served.resource.namespaced => served.prefix.to_string(),
        namespace => served.key(namespace, "").as_str().to_owned(),
    }
}

/// Where and when a list begins.
struct Start {
    token: Option<ContinueToken>,
    version: Option<u64>,
    exact: bool,
}

impl Start {
    /// `one`: the selectors name a single object.
    fn read(served: &Served, target: &Target, options: &ListOptions, one: bool) -> Result<Self, Status> {
        let version = rules::version(&options.resource_version)?;
        if options.continue_token.is_empty() {
            // Without a match, a version with a limit means that very version, as it always did where there can be pages.
            let exact = match options.resource_version_match.as_str() {
                "" => options.limit > 0 && !one && version.is_some_and(|version| version > 0),
                wanted => wanted == "Exact",
            };
            return Ok(Self { token: None, version, exact });
        }
        if version.is_some_and(|version| version > 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let token = ContinueToken::decode(&options.continue_token, &prefix_of(served, target))?;
        Ok(Self {
            version: token.revision.map(|revision| revision.0),
            exact: token.revision.is_some(),
            token: Some(token),
        })
    }

    /// Waits until the cache can answer, and says at which state.
    async fn reach(&self, state: &State, served: &Served) -> Result<At, Status> {
        let (cache, shard) = (&state.cache, served.shard);
        match self.version {
            None => _ = cache.consistent(shard).await.map_err(|error| lagging(&error))?,
            Some(0) => {}
            Some(version) => {
                let reached = cache.wait_for(shard, Revision(version), PATIENCE).await;
                reached.map_err(|error| lagging(&error))?;
            }
        }
        Ok(match self.version {
            Some(version) if self.exact && version > 0 => At::Exact(Revision(version)),
            _ => At::Latest,
        })
    }
}

/// 410, with a token to go on from here at the newest state instead.
fn expired_page(served: &Served, target: &Target, cursor: PageCursor) -> Status {
    let cursor = PageCursor { remaining: None, ..cursor };
    let token = ContinueToken { revision: None, cursor }.encode(&prefix_of(served, target));
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter, or use the continue token in this response to go on with an \
                   inconsistent list.";
    let mut status = Status::failure(gantry_meta::Reason::Expired, message);
    status.continue_token = token;
    status
}

/// A kind that has no objects: the parts of the control plane report in other ways than as ComponentStatus.
fn nothing(served: &Served) -> ListResponse {
    ListResponse {
        resource: served.gvr.clone(),
        kind: served.gvk.clone(),
        metadata: ListMetadata::default(),
        items: Vec::new(),
    }
}

/// The answer that shows a page.
pub(crate) fn answer(served: &Served, target: &Target, page: Page) -> ListResponse {
    let token = page.next.as_ref().map(|cursor| {
        let token = ContinueToken { revision: Some(page.revision), cursor: cursor.clone() };
        token.encode(&prefix_of(served, target))
    });
    ListResponse {
        resource: served.gvr.clone(),
        kind: served.gvk.clone(),
        metadata: ListMetadata {
            resource_version: page.revision.to_string(),
            continue_token: token.unwrap_or_default(),
            remaining_item_count: page.remaining(),
        },
        items: page.objects.iter().map(|object| item(served, object)).collect(),
    }
}

fn item(served: &Served, object: &CachedObject) -> ListItem {
    match served.conversion {
        None => ListItem { json: object.wire(), metadata_at: object.metadata_at() },
        Some(_) => {
            let metadata_at = gantry_codec::Splice::of(&served.resource).metadata_at();
            ListItem { json: served_wire(served, object), metadata_at }
        }
    }
}
