//! Answers as messages.

use bytes::Bytes;
use gantry_meta::Status;
use gantry_proto::v1::{ListChunk, ObjectReply};
use gantry_registry::{ApiResponse, ListResponse};

use crate::refusal::status_json;

/// Large enough to be few, small enough to flow.
const CHUNK_BYTES: usize = 1 << 20;

/// The one object (or Status) that a call answers with.
pub(crate) fn object(response: ApiResponse, warnings: Vec<String>) -> Result<ObjectReply, Status> {
    match response {
        ApiResponse::Object(object) => Ok(ObjectReply { created: object.code == 201, json: object.json, warnings }),
        ApiResponse::Status(status) => {
            Ok(ObjectReply { json: status_json(&status).into(), created: status.code == 201, warnings })
        }
        _ => Err(Status::internal("the executor answered with something that is no object")),
    }
}

/// A list in chunks of about a mebibyte; at least one.
pub(crate) fn chunks(list: &ListResponse) -> Vec<ListChunk> {
    let first = ListChunk { resource_version: list.metadata.resource_version.clone(), ..ListChunk::default() };
    let (mut chunks, mut bytes) = (vec![first], 0);
    for object in list.objects() {
        if bytes > CHUNK_BYTES {
            chunks.push(ListChunk::default());
            bytes = 0;
        }
        bytes += object.len();
        push(&mut chunks, object);
    }
    if let Some(last) = chunks.last_mut() {
        last.continue_token.clone_from(&list.metadata.continue_token);
    }
    chunks
}

fn push(chunks: &mut [ListChunk], object: Bytes) {
    if let Some(last) = chunks.last_mut() {
        last.items.push(object);
    }
}
