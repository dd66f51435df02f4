//! The first stage: may this user ask this?

use std::sync::Arc;

use gantry_auth::{Attributes, Authorizer, Decision};
use gantry_meta::{FieldSelector, LabelSelector, Status};

use crate::{
    context::RequestContext,
    request::{ApiRequest, Target, Verb},
    served::{self, Served},
    state::State,
};

/// Proof that a request was authorised. Only [`State::authorise`] makes one, and nothing runs without.
pub(crate) struct Authorised(());

impl Authorised {
    /// What is served under the request's path; 404 or 405 if nothing is.
    pub fn served<'a>(&self, state: &'a State, request: &ApiRequest) -> Result<&'a Arc<Served>, Status> {
        let target = request.target();
        let found = state.served.find(target)?;
        let verb = request.verb().as_str();
        let offered = match target.subresource.as_str() {
            "" => found.resource.has_verb(verb),
            sub => found.resource.subresource(sub).is_some_and(|sub| sub.has_verb(verb)),
        };
        if offered { Ok(found) } else { Err(served::method_not_allowed()) }
    }
}

impl State {
    pub(super) fn authorise(&self, ctx: &RequestContext, request: &ApiRequest) -> Result<Authorised, Status> {
        let target = request.target();
        let selectors = match request {
            ApiRequest::List { options, .. } | ApiRequest::Watch { options, .. } => {
                Selectors::read(&options.label_selector, &options.field_selector)
            }
            _ => Selectors::default(),
        };
        self.permit(&attributes(ctx, target, request.verb(), &selectors))?;
        Ok(Authorised(()))
    }

    /// Whether the user may also do `verb` on `target`: an update that turns out to create needs `create` too.
    pub fn permit_also(&self, ctx: &RequestContext, target: &Target, verb: Verb) -> Result<(), Status> {
        self.permit(&attributes(ctx, target, verb, &Selectors::default()))
    }

    pub fn permit(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        match self.authorizer.authorize(attributes) {
            Decision::Allow(_) => Ok(()),
            refused => Err(attributes.forbidden(refused.reason())),
        }
    }
}

/// Selectors as far as they can be read: what cannot be used narrows nothing.
#[derive(Default)]
struct Selectors {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
}

impl Selectors {
    fn read(labels: &str, fields: &str) -> Self {
        Self {
            labels: (!labels.is_empty()).then(|| LabelSelector::parse(labels).ok()).flatten(),
            fields: (!fields.is_empty()).then(|| FieldSelector::parse(fields).ok()).flatten(),
        }
    }
}

fn attributes<'a>(ctx: &'a RequestContext, target: &'a Target, verb: Verb, selectors: &'a Selectors) -> Attributes<'a> {
    // A list or watch of one name counts as being about that object.
    let selected = selectors.fields.as_ref().and_then(|fields| fields.required_value("metadata.name"));
    let name = if target.name.is_empty() { selected.unwrap_or_default() } else { &target.name };
    // Who may read what is in a namespace may be granted the namespace itself there.
    let is_namespace = target.group().is_empty() && &*target.resource.resource == "namespaces";
    let namespace = if is_namespace { &target.name } else { &target.namespace };
    Attributes::resource(&ctx.user, verb.as_str(), target.group(), &target.resource.resource)
        .at(namespace, name)
        .subresource(&target.subresource)
        .selecting(selectors.fields.as_ref(), selectors.labels.as_ref())
}
