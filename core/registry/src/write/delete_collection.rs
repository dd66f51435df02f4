//! DELETE of a collection: each object that is selected, as one by one.

use std::sync::Arc;

use gantry_meta::{Reason, Status};

use super::{delete::warn_about_dependents, delete_object};
use crate::{
    context::RequestContext,
    read,
    request::{DeleteOptions, ListOptions, Target},
    response::ApiResponse,
    served::Served,
    state::State,
};

/// Answers with the objects as they were listed. One that goes away meanwhile is no failure.
pub(crate) async fn delete_collection(
    state: &State,
    ctx: &RequestContext,
    served: &Arc<Served>,
    target: &Target,
    options: &DeleteOptions,
    list: &ListOptions,
) -> Result<ApiResponse, Status> {
    warn_about_dependents(ctx, served, options);
    let page = read::page_to_delete(state, served, target, list).await?;
    for object in &page.objects {
        let key = object.key();
        let deleted = delete_object(state, ctx, served, key.namespace(), key.name(), options).await;
        if let Err(status) = deleted
            && !status.is(Reason::NotFound)
        {
            return Err(status);
        }
    }
    Ok(ApiResponse::List(read::answer(served, target, page)))
}
