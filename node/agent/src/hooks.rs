//! Lifecycle hooks: what runs right after a container starts and before it is ended.

use std::time::Duration;

use gantry_cri::RuntimeClient;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use crate::probes::{http, target};

/// Runs a hook to its end. The error says what went wrong, for the event.
pub async fn run(
    runtime: &RuntimeClient,
    container: &Container,
    container_id: &str,
    handler: &LifecycleHandler,
    pod_ip: &str,
) -> Result<(), String> {
    if let Some(exec) = &handler.exec {
        let command = exec.command.clone().unwrap_or_default();
        let output = runtime.exec_sync(container_id, command, Duration::ZERO).await.map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return if output.exit_code == 0 { Ok(()) } else { Err(format!("exited with {}: {text}", output.exit_code)) };
    }
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(Duration::from_secs(sleep.seconds.max(0).unsigned_abs())).await;
        return Ok(());
    }
    if let Some(get) = &handler.http_get {
        let request = target::http_target(get, container, pod_ip)?;
        return http::get(&request, Duration::from_secs(30)).await.map(|_| ()).map_err(|failure| failure.to_string());
    }
    Ok(())
}
