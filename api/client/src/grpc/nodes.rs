//! A node's report: many status writes and the lease in one message.

use gantry_proto::v1::{LeaseRenewal, ReportRequest, WriteResult, write_result};
use gantry_runtime::{Observed, Patch, SinkError, WriteTarget};

use super::{client::GrpcClient, error::client_error, sink::patch_request};
use crate::{ClientError, decode, error::sink_error};

impl GrpcClient {
    /// Sends patches, mostly of statuses, and renews the lease of `node` (its duration in seconds) with them. One result for each
    /// patch in order, and one for the lease at the end if it was asked for. An outer error: nothing is known of any.
    pub async fn report(
        &self,
        patches: Vec<(WriteTarget, Patch)>,
        lease: Option<(&str, i32)>,
    ) -> Result<Vec<Result<Observed, SinkError>>, SinkError> {
        let request = self.timed(ReportRequest {
            patches: patches.into_iter().map(|(target, patch)| patch_request(&target, patch)).collect(),
            lease: lease.map(|(node, seconds)| LeaseRenewal { node: node.to_owned(), duration_seconds: seconds }),
        });
        let reply =
            self.nodes().report(request).await.map_err(|status| sink_error(client_error(&status)))?.into_inner();
        Ok(reply.results.into_iter().chain(reply.lease).map(outcome).collect())
    }
}

fn outcome(result: WriteResult) -> Result<Observed, SinkError> {
    match result.result {
        Some(write_result::Result::Json(json)) => decode::observed(json).map_err(sink_error),
        Some(write_result::Result::Refused(status)) => {
            Err(sink_error(ClientError::Refused(decode::failure(500, &status))))
        }
        None => Err(SinkError::Unavailable("the server said nothing of a write".into())),
    }
}
