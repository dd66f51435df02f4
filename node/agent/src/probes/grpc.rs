//! gRPC probes: one call of the standard health service.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// Succeeds if the service (empty: the server as a whole) says that it is serving.
pub async fn check(host: &str, port: u16, service: &str, timeout: Duration) -> Result<(), String> {
    let call = async {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let endpoint = Endpoint::try_from(format!("http://{host}:{port}")).map_err(|e| e.to_string())?;
        let channel = endpoint.connect().await.map_err(|e| format!("failed to connect: {e}"))?;
        let answer = HealthClient::new(channel).check(HealthCheckRequest { service: service.into() }).await;
        let status = answer.map_err(|status| status.message().to_owned())?.into_inner().status;
        if status == ServingStatus::Serving as i32 {
            return Ok(());
        }
        let shown = ServingStatus::try_from(status).map_or("UNKNOWN", |status| status.as_str_name());
        Err(format!("service unhealthy (responded with {shown:?})"))
    };
    let late = || format!("timeout: failed to connect service \"{host}:{port}\" within {timeout:?}");
    tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(late()))
}
