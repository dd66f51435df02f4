//! Reviews: questions about access and identity, answered and forgotten.

use gantry_auth::review::{self, ReviewKind};
use gantry_meta::{Object, Status};
use jiff::Timestamp;

use super::created;
use crate::{
    context::RequestContext,
    executor::State,
    request::Target,
    response::ApiResponse,
    served::{self, Served},
};

pub(super) fn answer(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    body: Object,
) -> Result<ApiResponse, Status> {
    let (user, authorizer) = (&ctx.user, &*state.authorizer);
    let now = Timestamp::now();
    let answer = match &*served.resource.plural {
        "selfsubjectreviews" => Ok(review::self_subject_review(body, user, now)),
        "tokenreviews" => review::token_review(body, &state.authenticator, now),
        "subjectaccessreviews" => review::access_review(body, ReviewKind::Subject, authorizer),
        "localsubjectaccessreviews" => review::access_review(body, ReviewKind::Local(&target.namespace), authorizer),
        "selfsubjectaccessreviews" => review::access_review(body, ReviewKind::SelfSubject(user), authorizer),
        "selfsubjectrulesreviews" => review::self_subject_rules_review(body, authorizer.store().rbac(), user),
        _ => return Err(served::unknown()),
    };
    Ok(created(served.gvk.clone(), &answer.map_err(|refusal| *refusal)?))
}
