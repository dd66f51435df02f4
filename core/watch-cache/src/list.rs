//! Lists at one revision, page by page.

use std::sync::Arc;

use gantry_storage::{Key, Revision};

use crate::{
    CachedObject, Filter, ListError, Scope,
    table::{Table, behind, in_scope},
};

/// Which state to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// What is applied when the list begins. Call [`crate::WatchCache::consistent`] before, where staleness is not allowed.
    Latest,
    Exact(Revision),
}

/// Where the next page begins. Only of use at the revision of the page it came with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageCursor {
    /// The first key that may be on the page.
    pub from: Key,
    /// Objects from this place on, if known; carried along because counting them anew costs a walk.
    pub remaining: Option<u64>,
}

#[derive(Clone)]
pub struct ListRequest {
    pub scope: Scope,
    pub at: At,
    pub cursor: Option<PageCursor>,
    /// 0: no limit.
    pub limit: usize,
    pub filter: Option<Filter>,
}

impl ListRequest {
    /// Everything in `scope`, as it is now.
    pub fn new(scope: Scope) -> Self {
        Self { scope, at: At::Latest, cursor: None, limit: 0, filter: None }
    }
}

/// Objects in key order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The list's `resourceVersion`.
    pub revision: Revision,
    pub objects: Vec<Arc<CachedObject>>,
    /// `None`: this was the last page.
    pub next: Option<PageCursor>,
}

impl Page {
    /// `remainingItemCount`: objects behind this page, `None` with a filter.
    pub fn remaining(&self) -> Option<u64> {
        self.next.as_ref()?.remaining
    }
}

/// Walks the table in short holds of its lock; versions at `at` cannot change meanwhile, only expire.
pub(crate) fn page(table: &Table, request: &ListRequest, at: Revision) -> Result<Page, ListError> {
    let limit = if request.limit == 0 { usize::MAX } else { request.limit };
    let mut objects: Vec<Arc<CachedObject>> = Vec::new();
    let mut from = request.cursor.as_ref().map(|c| c.from.clone());
    loop {
        let chunk = table.chunk(&request.scope, at, from.as_ref())?;
        for object in chunk.objects.into_iter().filter(|object| counts(table, request, object)) {
            // There is a next page if there is anything behind this one, whether a filter lets it through or not.
            if objects.len() == limit {
                let next = Some(next_page(table, request, at, &objects)?);
                return Ok(Page { revision: at, objects, next });
            }
            objects.extend(Some(object).filter(|object| request.filter.as_ref().is_none_or(|f| f(object))));
        }
        from = chunk.resume;
        if from.is_none() {
            return Ok(Page { revision: at, objects, next: None });
        }
    }
}

/// Whether an object is in scope: buckets of an index keep what was in them at any time.
fn counts(table: &Table, request: &ListRequest, object: &CachedObject) -> bool {
    !matches!(request.scope, Scope::Indexed { .. }) || in_scope(&table.config, &request.scope, object)
}

fn next_page(
    table: &Table,
    request: &ListRequest,
    at: Revision,
    objects: &[Arc<CachedObject>],
) -> Result<PageCursor, ListError> {
    let last = objects.last().expect("a page that is full has an object");
    let from = behind(last.key());
    let remaining = if request.filter.is_some() { None } else { remaining(table, request, at, objects.len(), &from)? };
    Ok(PageCursor { from, remaining })
}

/// How many there are from `from` on, `returned` being on the page before it.
fn remaining(
    table: &Table,
    request: &ListRequest,
    at: Revision,
    returned: usize,
    from: &Key,
) -> Result<Option<u64>, ListError> {
    let before = match &request.cursor {
        Some(cursor) => cursor.remaining,
        None => table.count(&request.scope, at),
    };
    match before {
        Some(before) => Ok(Some(before.saturating_sub(returned as u64))),
        None => Ok(Some(walked(table, request, at, from)?)),
    }
}

fn walked(table: &Table, request: &ListRequest, at: Revision, from: &Key) -> Result<u64, ListError> {
    let (mut count, mut from) = (0, Some(from.clone()));
    while from.is_some() {
        let chunk = table.chunk(&request.scope, at, from.as_ref())?;
        count += chunk.objects.iter().filter(|object| counts(table, request, object)).count() as u64;
        from = chunk.resume;
    }
    Ok(count)
}
