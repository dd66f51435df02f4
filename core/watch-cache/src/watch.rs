//! A watch: a cursor on a ring that others share.

use std::{pin::pin, sync::Arc};

use gantry_storage::Revision;

use crate::{
    Batch, CachedObject, Expired, Filter, Scope,
    shard::ShardCache,
    table::{Table, in_scope},
    topic::Topic,
};

/// Events looked at in one go, so that a watch far behind shares the thread.
const STEP: usize = 256;

/// Follows a scope of one resource. Costs no memory but itself while its client is slow; ends with [`Expired`] only once
/// history no longer reaches back to its cursor.
pub struct Watch {
    shard: Arc<ShardCache>,
    table: Arc<Table>,
    topic: Arc<Topic>,
    scope: Scope,
    filter: Option<Filter>,
    cursor: Revision,
}

impl Watch {
    pub(crate) fn open(
        shard: Arc<ShardCache>,
        table: Arc<Table>,
        scope: Scope,
        from: Revision,
        filter: Option<Filter>,
    ) -> Result<Self, Expired> {
        let topic = table.subscribe(&scope, from)?;
        Ok(Self { shard, table, topic, scope, filter, cursor: from })
    }

    /// Waits until there is something for this watch. Cancel-safe: what was not returned comes with the next call.
    pub async fn next_batch(&mut self) -> Result<Arc<Batch>, Expired> {
        let topic = self.topic.clone();
        loop {
            // Enlisted before looking, so that an event between the look and the wait rings too.
            let mut bell = pin!(topic.bell.notified());
            bell.as_mut().enable();
            loop {
                match self.step()? {
                    Step::Found(batch) => return Ok(batch),
                    Step::NothingSelected => tokio::task::consume_budget().await,
                    Step::Drained => break,
                }
            }
            bell.await;
        }
    }

    /// What is there now, without waiting; `None`: nothing for this watch.
    pub fn try_next_batch(&mut self) -> Result<Option<Arc<Batch>>, Expired> {
        loop {
            match self.step()? {
                Step::Found(batch) => return Ok(Some(batch)),
                Step::NothingSelected => {}
                Step::Drained => return Ok(None),
            }
        }
    }

    /// The revision up to which everything for this watch was returned: what a bookmark carries.
    pub fn progress(&self) -> Revision {
        // Read before the ring: all events up to it are in the ring by then.
        let applied = self.shard.progress.applied();
        let pending = self.topic.newest().is_some_and(|newest| newest > self.cursor);
        if pending { self.cursor } else { self.cursor.max(applied) }
    }

    fn step(&mut self) -> Result<Step, Expired> {
        let applied = self.shard.progress.applied();
        let found = if self.takes_all() { self.topic.batch_after(self.cursor, STEP)? } else { self.selected()? };
        let Some(batch) = found else {
            self.cursor = self.cursor.max(applied);
            return Ok(Step::Drained);
        };
        self.cursor = batch.revision;
        Ok(if batch.deliveries.is_empty() { Step::NothingSelected } else { Step::Found(batch) })
    }

    /// Every event of the topic is for this watch, as it is for others.
    fn takes_all(&self) -> bool {
        self.filter.is_none() && !matches!(self.scope, Scope::Indexed { .. })
    }

    /// `None`: no events behind the cursor.
    fn selected(&self) -> Result<Option<Arc<Batch>>, Expired> {
        let events = self.topic.after(self.cursor, STEP)?;
        let Some(last) = events.last() else { return Ok(None) };
        let deliveries = events.iter().filter_map(|e| e.delivery(|o| self.selects(o))).collect();
        Ok(Some(Arc::new(Batch::new(deliveries, last.revision))))
    }

    fn selects(&self, object: &CachedObject) -> bool {
        let indexed = matches!(self.scope, Scope::Indexed { .. });
        (!indexed || in_scope(&self.table.config, &self.scope, object))
            && self.filter.as_ref().is_none_or(|f| f(object))
    }
}

enum Step {
    Found(Arc<Batch>),
    /// Events, but none for this watch.
    NothingSelected,
    /// No events behind the cursor.
    Drained,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.table.unsubscribe(&self.scope, &self.topic);
    }
}
