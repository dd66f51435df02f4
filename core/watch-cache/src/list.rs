//! Lists at one revision, page by page.

use std::sync::Arc;

use gantry_storage::{Key, Revision};

use crate::{CachedObject, Filter, ListError, Scope, table::Table, table::in_scope};

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
    pub after: Key,
    /// Objects behind this place, if known; carried along because counting them anew would cost a walk.
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
    let mut objects = Vec::new();
    let mut after = request.cursor.as_ref().map(|c| c.after.clone());
    // One object more than asked for tells whether there is a next page.
    while objects.len() <= limit {
        let chunk = table.chunk(&request.scope, at, after.as_ref())?;
        objects.extend(chunk.objects.into_iter().filter(|o| selected(table, request, o)));
        after = chunk.resume;
        if after.is_none() {
            break;
        }
    }
    let next = (objects.len() > limit).then(|| {
        objects.truncate(limit);
        let remaining = remaining(table, request, at, limit);
        PageCursor { after: objects[limit - 1].key().clone(), remaining }
    });
    Ok(Page { revision: at, objects, next })
}

fn selected(table: &Table, request: &ListRequest, object: &CachedObject) -> bool {
    let indexed = matches!(request.scope, Scope::Indexed { .. });
    (!indexed || in_scope(&table.config, &request.scope, object)) && request.filter.as_ref().is_none_or(|f| f(object))
}

fn remaining(table: &Table, request: &ListRequest, at: Revision, returned: usize) -> Option<u64> {
    if request.filter.is_some() {
        return None;
    }
    let before = match &request.cursor {
        Some(cursor) => cursor.remaining,
        None => table.count(&request.scope, at),
    };
    Some(before?.saturating_sub(returned as u64))
}
