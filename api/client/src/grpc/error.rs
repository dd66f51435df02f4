//! What a gRPC status means.

use gantry_proto::v1::STATUS_METADATA;
use tonic::Code;

use crate::{ClientError, decode};

/// The Kubernetes Status of a refused call. Without one the call never reached the API, or its end was lost.
pub(super) fn client_error(status: &tonic::Status) -> ClientError {
    if let Some(json) = status.metadata().get_bin(STATUS_METADATA).and_then(|value| value.to_bytes().ok()) {
        return ClientError::Refused(decode::failure(500, &json));
    }
    let code = match status.code() {
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::InvalidArgument | Code::Unimplemented => 400,
        _ => return ClientError::Unavailable(status.to_string()),
    };
    ClientError::Refused(decode::failure(code, status.message().as_bytes()))
}
