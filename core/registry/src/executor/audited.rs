//! Requests that the audit policy may want recorded. Both doors and the server's own clients come through here.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt, StreamExt};
use gantry_auth::{
    Attributes,
    audit::{AuditLog, Entry, Level, Origin, Outcome, Stage},
};
use gantry_codec::{Expected, Format, Strictness, decode, parse_untyped};
use gantry_meta::{Status, Value};
use serde_json::json;

use crate::{
    context::RequestContext,
    request::{ApiRequest, Body, MediaType, Patch, Target},
    response::{ApiResponse, ListResponse},
    state::State,
};

impl State {
    /// Runs the request; writes an event for each stage that it reaches, if the policy wants it.
    pub(super) async fn execute_audited(
        &self,
        log: &Arc<AuditLog>,
        ctx: &RequestContext,
        request: ApiRequest,
    ) -> Result<ApiResponse, Status> {
        let Some(entry) = begin(log, ctx, &request) else { return self.execute(ctx, request).await };
        entry.reach(Stage::RequestReceived, None);
        let mut open = Open(Some(entry));
        let authorised = match self.authorise(ctx, &request) {
            Ok(authorised) => authorised,
            Err(refusal) => {
                open.note(|entry| entry.decided(false, &refusal.message));
                open.close(Stage::ResponseComplete, Outcome::Refused(&refusal));
                return Err(refusal);
            }
        };
        open.note(|entry| self.note_sent(entry, &request));
        match AssertUnwindSafe(self.execute_authorised(ctx, &authorised, request)).catch_unwind().await {
            Ok(answer) => match open.0.take() {
                Some(entry) => answered(entry, answer),
                None => answer,
            },
            Err(panic) => {
                open.close(Stage::Panic, Outcome::Code(500));
                std::panic::resume_unwind(panic)
            }
        }
    }

    fn note_sent(&self, entry: &mut Entry, request: &ApiRequest) {
        entry.decided(true, "");
        // The address of what is to be made does not name it.
        let wanted = entry.level() >= Level::Request || matches!(request, ApiRequest::Create { .. });
        if wanted && let Some(sent) = self.sent(request) {
            entry.request_object(sent);
        }
    }

    /// What the client sent, as far as it can be read.
    fn sent(&self, request: &ApiRequest) -> Option<Value> {
        match request {
            ApiRequest::Create { target, body, .. } | ApiRequest::Update { target, body, .. } => {
                self.body(target, body)
            }
            ApiRequest::Patch { patch: Patch::Apply { body, .. }, .. } => {
                parse_untyped(body, Format::Yaml).ok().map(|(value, _)| value)
            }
            ApiRequest::Patch { patch: Patch::Json(patch) | Patch::Merge(patch) | Patch::Strategic(patch), .. } => {
                serde_json::from_slice(patch).ok()
            }
            _ => None,
        }
    }

    fn body(&self, target: &Target, body: &Body) -> Option<Value> {
        match body.media_type {
            MediaType::Json => serde_json::from_slice(&body.bytes).ok(),
            MediaType::Yaml => parse_untyped(&body.bytes, Format::Yaml).ok().map(|(value, _)| value),
            // Protobuf names no members: only the type of the resource itself can be read.
            MediaType::Protobuf if target.subresource.is_empty() => {
                let expected = Expected::from(&self.served.find(target).ok()?.resource);
                let decoded = decode(expected, &body.bytes, Format::Protobuf, Strictness::Ignore).ok()?;
                Some(Value::Object(decoded.object))
            }
            MediaType::Protobuf => None,
        }
    }
}

/// A request that is not answered yet. Its end is told of in any case: a client that goes away before the answer may have had
/// done what it asked for.
struct Open(Option<Entry>);

impl Open {
    fn note(&mut self, what: impl FnOnce(&mut Entry)) {
        if let Some(entry) = &mut self.0 {
            what(entry);
        }
    }

    fn close(&mut self, stage: Stage, outcome: Outcome<'_>) {
        if let Some(entry) = self.0.take() {
            entry.reach(stage, Some(outcome));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(Stage::ResponseComplete, Outcome::Abandoned);
    }
}

/// Tells of a request that was refused before it got here.
pub(super) fn refused(log: &Arc<AuditLog>, ctx: &RequestContext, attributes: &Attributes<'_>, refusal: &Status) {
    let origin = origin(ctx, ctx.uri().unwrap_or_default());
    if let Some(entry) = Entry::begin(log, attributes, &origin) {
        entry.reach(Stage::RequestReceived, None);
        entry.reach(Stage::ResponseComplete, Some(Outcome::Refused(refusal)));
    }
}

fn begin(log: &Arc<AuditLog>, ctx: &RequestContext, request: &ApiRequest) -> Option<Entry> {
    let target = request.target();
    let user = ctx.impersonator().unwrap_or(&ctx.user);
    let attributes = Attributes::resource(user, request.verb().as_str(), target.group(), &target.resource.resource)
        .at(&target.namespace, &target.name)
        .subresource(&target.subresource);
    let uri = ctx.uri().map_or_else(|| target.path(), str::to_owned);
    let mut entry = Entry::begin(log, &attributes, &origin(ctx, &uri))?;
    entry.api_version(&target.resource.version);
    Some(entry)
}

fn origin<'a>(ctx: &'a RequestContext, uri: &'a str) -> Origin<'a> {
    Origin {
        audit_id: &ctx.request_id,
        uri,
        user_agent: &ctx.user_agent,
        address: ctx.address(),
        impersonated: ctx.impersonator().map(|_| &ctx.user),
    }
}

fn answered(mut entry: Entry, answer: Result<ApiResponse, Status>) -> Result<ApiResponse, Status> {
    let code = match &answer {
        Err(refusal) => {
            entry.reach(Stage::ResponseComplete, Some(Outcome::Refused(refusal)));
            return answer;
        }
        Ok(ApiResponse::Object(object)) => object.code,
        Ok(ApiResponse::Status(status)) => status.code,
        Ok(ApiResponse::NoContent) => 204,
        Ok(ApiResponse::List(_) | ApiResponse::Watch(_) | ApiResponse::Connect(_)) => 200,
    };
    if entry.level() >= Level::RequestResponse
        && let Some(object) = shown(&answer)
    {
        entry.response_object(object);
    }
    match answer {
        Ok(ApiResponse::Watch(mut watch)) => {
            entry.reach(Stage::ResponseStarted, Some(Outcome::Code(code)));
            let ending = Ending { entry, code };
            watch.events = watch.events.inspect(move |_| ending.holds()).boxed();
            Ok(ApiResponse::Watch(watch))
        }
        other => {
            // A connection's end is the door's: here it is found, and that is all that is known.
            if matches!(other, Ok(ApiResponse::Connect(_))) {
                entry.reach(Stage::ResponseStarted, Some(Outcome::Code(code)));
            }
            entry.reach(Stage::ResponseComplete, Some(Outcome::Code(code)));
            other
        }
    }
}

fn shown(answer: &Result<ApiResponse, Status>) -> Option<Value> {
    match answer.as_ref().ok()? {
        ApiResponse::Object(object) => serde_json::from_slice(&object.json).ok(),
        ApiResponse::Status(status) => serde_json::to_value(status).ok(),
        ApiResponse::List(list) => Some(whole(list)),
        ApiResponse::Watch(_) | ApiResponse::Connect(_) | ApiResponse::NoContent => None,
    }
}

fn whole(list: &ListResponse) -> Value {
    let items: Vec<Value> = list.objects().filter_map(|object| serde_json::from_slice(&object).ok()).collect();
    json!({
        "kind": format!("{}List", list.kind.kind),
        "apiVersion": list.kind.api_version(),
        "metadata": {"resourceVersion": list.metadata.resource_version},
        "items": items,
    })
}

/// A watch is complete when nobody reads it any more, however that came.
struct Ending {
    entry: Entry,
    code: u16,
}

impl Ending {
    /// Called for each event, so that the stream owns the ending.
    fn holds(&self) {}
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.entry.reach(Stage::ResponseComplete, Some(Outcome::Code(self.code)));
    }
}

/// A request on a path that is no resource: what is told of its end.
pub struct PathEntry(Entry);

impl PathEntry {
    pub(super) fn begin(log: &Arc<AuditLog>, ctx: &RequestContext, verb: &str, path: &str) -> Option<Self> {
        let user = ctx.impersonator().unwrap_or(&ctx.user);
        let uri = ctx.uri().unwrap_or(path);
        let entry = Entry::begin(log, &Attributes::path(user, verb, path), &origin(ctx, uri))?;
        entry.reach(Stage::RequestReceived, None);
        Some(Self(entry))
    }

    /// The request was answered with this code; 403 means that it was not allowed.
    pub fn complete(mut self, code: u16) {
        self.0.decided(code != 403, "");
        self.0.reach(Stage::ResponseComplete, Some(Outcome::Code(code)));
    }
}
