//! Refusals on the wire: a gRPC status that carries the Kubernetes Status.

use gantry_meta::Status;
use gantry_proto::v1::STATUS_METADATA;
use tonic::{
    Code,
    metadata::{MetadataMap, MetadataValue},
};

/// Clients limit the size of all metadata, commonly to 8 or 16 KiB; what is longer loses its causes and the end of its text.
const MAX_STATUS_BYTES: usize = 6 << 10;
const MAX_MESSAGE_CHARS: usize = 1024;

/// The gRPC form of a refusal.
pub(crate) fn refusal(status: Status) -> Box<tonic::Status> {
    let status = shortened(status);
    let mut metadata = MetadataMap::new();
    metadata.insert_bin(STATUS_METADATA, MetadataValue::from_bytes(&status_json(&status)));
    Box::new(tonic::Status::with_metadata(code_of(&status), status.message, metadata))
}

pub(crate) fn status_json(status: &Status) -> Vec<u8> {
    serde_json::to_vec(status).expect("a Status always serialises")
}

fn shortened(mut status: Status) -> Status {
    if status_json(&status).len() > MAX_STATUS_BYTES {
        status.message = status.message.chars().take(MAX_MESSAGE_CHARS).collect();
        if let Some(details) = &mut status.details {
            details.causes.clear();
        }
    }
    status
}

fn code_of(status: &Status) -> Code {
    match status.code {
        400 | 405 | 406 | 413 | 415 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 if status.is(gantry_meta::Reason::AlreadyExists) => Code::AlreadyExists,
        409 => Code::Aborted,
        410 => Code::OutOfRange,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use gantry_meta::{Cause, FieldPath};

    use super::*;

    #[test]
    fn a_refusal_carries_the_status_and_never_too_much_of_it() {
        let refused = refusal(Status::not_found("", "pods", "web"));
        assert_eq!(refused.code(), Code::NotFound);
        let json = refused.metadata().get_bin(STATUS_METADATA).unwrap().to_bytes().unwrap();
        assert_eq!(serde_json::from_slice::<Status>(&json).unwrap(), Status::not_found("", "pods", "web"));
        let causes = (0..1000).map(|i| Cause::invalid(&FieldPath::of("spec").index(i), "must not be so")).collect();
        let refused = refusal(Status::invalid("", "Pod", "web", causes));
        let json = refused.metadata().get_bin(STATUS_METADATA).unwrap().to_bytes().unwrap();
        assert!(json.len() <= MAX_STATUS_BYTES, "{}", json.len());
    }
}
