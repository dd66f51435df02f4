//! Reviews: questions about access and identity, answered and forgotten.

use gantry_auth::review::{self, ReviewKind};
use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{Object, ObjectView as _, Status};
use jiff::Timestamp;

use super::created;
use crate::{
    context::RequestContext,
    request::Target,
    response::ApiResponse,
    served::{self, Served},
    state::State,
};

/// `recorded` is the body with the record of who set what, which those reviews show that answer with what was sent.
pub(super) fn answer(
    state: &State,
    ctx: &RequestContext,
    served: &Served,
    target: &Target,
    body: Object,
    recorded: &Object,
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
    let mut answer = answer.map_err(|refusal| *refusal)?;
    let record = recorded.metadata().and_then(|metadata| metadata.member(ObjectMeta::MANAGED_FIELDS));
    if let Some(record) = record.filter(|_| shows_record(served)) {
        answer.metadata_mut().set(ObjectMeta::MANAGED_FIELDS, record.clone());
    }
    Ok(created(served.gvk.clone(), &answer))
}

/// The other reviews answer with objects of their own making.
fn shows_record(served: &Served) -> bool {
    !matches!(&*served.resource.plural, "selfsubjectreviews" | "selfsubjectrulesreviews")
}
