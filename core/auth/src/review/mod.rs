//! Questions about access: who am I, may I, may they, what may I, whose token is this.
//!
//! Each function takes the decoded body of a POST and gives the body of the 201, or the refusal.

mod access;
mod identity;
mod rules;

pub use access::{ReviewKind, access_review};
pub use identity::{self_subject_review, token_review};
pub use rules::self_subject_rules_review;

use gantry_meta::{Object, Value};

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The members of a review in wire order. `body`'s spec is given back as it came.
fn answer(body: &mut Object, kind: &str, group: &str, metadata: Value, spec: Option<Value>, status: Value) -> Object {
    let mut answer = Object::new();
    answer.insert("kind".into(), kind.into());
    answer.insert("apiVersion".into(), format!("{group}/v1").into());
    answer.insert("metadata".into(), metadata);
    if let Some(spec) = spec.or_else(|| body.remove("spec")) {
        answer.insert("spec".into(), spec);
    }
    answer.insert("status".into(), status);
    answer
}
