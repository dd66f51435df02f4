//! CRI's runtime service: sandboxes and containers.

use std::{path::Path, time::Duration};

use k8s_cri::v1::{self as api, runtime_service_client::RuntimeServiceClient};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::CriError;

/// Deadline of calls that only read or change the runtime's books.
const QUICK: Duration = Duration::from_secs(30);
/// Deadline of calls that start processes or set up networks; kubelet's runtime-request-timeout is 2 min and doubled for
/// sandboxes.
const SLOW: Duration = Duration::from_secs(240);
/// containerd's own limit on a gRPC message.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// A connection to a runtime's unix socket that is made on first use and again whenever it breaks.
pub fn connect(socket: &Path) -> Result<Channel, CriError> {
    Endpoint::try_from(format!("unix://{}", socket.display()))
        .map(|endpoint| endpoint.connect_timeout(Duration::from_secs(5)).connect_lazy())
        .map_err(|e| CriError::Unavailable(format!("{}: {e}", socket.display())))
}

fn with_deadline<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// Typed calls of CRI's runtime service. Cheap to clone; every clone shares one HTTP/2 connection.
#[derive(Clone, Debug)]
pub struct RuntimeClient {
    client: RuntimeServiceClient<Channel>,
}

/// `$call(request, deadline) -> response`, the transport's status turned into a [`CriError`] that names the call.
macro_rules! call {
    ($self:ident.$method:ident($request:expr, $deadline:expr)) => {
        $self
            .client
            .clone()
            .$method(with_deadline($request, $deadline))
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| CriError::from_status(stringify!($method), &status))
    };
}

impl RuntimeClient {
    pub fn new(channel: Channel) -> Self {
        let client = RuntimeServiceClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { client }
    }

    /// Name and version of the runtime.
    pub async fn version(&self) -> Result<api::VersionResponse, CriError> {
        call!(self.version(api::VersionRequest { version: "v1".into() }, QUICK))
    }

    /// The conditions `RuntimeReady` and `NetworkReady`.
    pub async fn status(&self) -> Result<Vec<api::RuntimeCondition>, CriError> {
        let response = call!(self.status(api::StatusRequest { verbose: false }, QUICK))?;
        response
            .status
            .map(|status| status.conditions)
            .ok_or(CriError::Incomplete { call: "status", what: "the runtime's status" })
    }

    /// Creates and starts a sandbox, network included. Returns its id.
    pub async fn run_pod_sandbox(
        &self,
        config: api::PodSandboxConfig,
        runtime_handler: &str,
    ) -> Result<String, CriError> {
        let request = api::RunPodSandboxRequest { config: Some(config), runtime_handler: runtime_handler.into() };
        Ok(call!(self.run_pod_sandbox(request, SLOW))?.pod_sandbox_id)
    }

    /// Kills what runs in the sandbox and takes its network down. Idempotent.
    pub async fn stop_pod_sandbox(&self, sandbox_id: &str) -> Result<(), CriError> {
        let request = api::StopPodSandboxRequest { pod_sandbox_id: sandbox_id.into() };
        call!(self.stop_pod_sandbox(request, SLOW)).map(|_| ())
    }

    /// Removes a sandbox and all its containers. Idempotent.
    pub async fn remove_pod_sandbox(&self, sandbox_id: &str) -> Result<(), CriError> {
        let request = api::RemovePodSandboxRequest { pod_sandbox_id: sandbox_id.into() };
        call!(self.remove_pod_sandbox(request, SLOW)).map(|_| ())
    }

    pub async fn pod_sandbox_status(&self, sandbox_id: &str) -> Result<api::PodSandboxStatus, CriError> {
        let request = api::PodSandboxStatusRequest { pod_sandbox_id: sandbox_id.into(), verbose: false };
        call!(self.pod_sandbox_status(request, QUICK))?
            .status
            .ok_or(CriError::Incomplete { call: "pod_sandbox_status", what: "the status" })
    }

    pub async fn list_pod_sandbox(
        &self,
        filter: Option<api::PodSandboxFilter>,
    ) -> Result<Vec<api::PodSandbox>, CriError> {
        Ok(call!(self.list_pod_sandbox(api::ListPodSandboxRequest { filter }, QUICK))?.items)
    }

    /// Creates a container without starting it. Returns its id.
    pub async fn create_container(
        &self,
        sandbox_id: &str,
        config: api::ContainerConfig,
        sandbox_config: api::PodSandboxConfig,
    ) -> Result<String, CriError> {
        let request = api::CreateContainerRequest {
            pod_sandbox_id: sandbox_id.into(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        Ok(call!(self.create_container(request, SLOW))?.container_id)
    }

    pub async fn start_container(&self, container_id: &str) -> Result<(), CriError> {
        let request = api::StartContainerRequest { container_id: container_id.into() };
        call!(self.start_container(request, SLOW)).map(|_| ())
    }

    /// The image's stop signal, then SIGKILL after `grace_seconds`. Returns when the container has ended.
    pub async fn stop_container(&self, container_id: &str, grace_seconds: i64) -> Result<(), CriError> {
        let request = api::StopContainerRequest { container_id: container_id.into(), timeout: grace_seconds };
        let deadline = SLOW + Duration::from_secs(grace_seconds.max(0).unsigned_abs());
        call!(self.stop_container(request, deadline)).map(|_| ())
    }

    /// Removes a container, by force if it runs. Idempotent.
    pub async fn remove_container(&self, container_id: &str) -> Result<(), CriError> {
        let request = api::RemoveContainerRequest { container_id: container_id.into() };
        call!(self.remove_container(request, QUICK)).map(|_| ())
    }

    pub async fn list_containers(&self, filter: Option<api::ContainerFilter>) -> Result<Vec<api::Container>, CriError> {
        Ok(call!(self.list_containers(api::ListContainersRequest { filter }, QUICK))?.containers)
    }

    pub async fn container_status(&self, container_id: &str) -> Result<api::ContainerStatus, CriError> {
        let request = api::ContainerStatusRequest { container_id: container_id.into(), verbose: false };
        call!(self.container_status(request, QUICK))?
            .status
            .ok_or(CriError::Incomplete { call: "container_status", what: "the status" })
    }

    pub async fn update_container_resources(
        &self,
        container_id: &str,
        linux: api::LinuxContainerResources,
    ) -> Result<(), CriError> {
        let request = api::UpdateContainerResourcesRequest {
            container_id: container_id.into(),
            linux: Some(linux),
            ..Default::default()
        };
        call!(self.update_container_resources(request, QUICK)).map(|_| ())
    }

    /// Makes the runtime open the container's log file anew, after a rotation moved it away.
    pub async fn reopen_container_log(&self, container_id: &str) -> Result<(), CriError> {
        let request = api::ReopenContainerLogRequest { container_id: container_id.into() };
        call!(self.reopen_container_log(request, QUICK)).map(|_| ())
    }

    /// Runs a command to its end and returns its output and exit code. `timeout` of zero means none.
    pub async fn exec_sync(
        &self,
        container_id: &str,
        command: Vec<String>,
        timeout: Duration,
    ) -> Result<api::ExecSyncResponse, CriError> {
        let timeout_seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let request =
            api::ExecSyncRequest { container_id: container_id.into(), cmd: command, timeout: timeout_seconds };
        let deadline = if timeout.is_zero() { SLOW * 60 } else { timeout + QUICK };
        call!(self.exec_sync(request, deadline))
    }

    /// The URL of the runtime's streaming server for one exec.
    pub async fn exec(&self, request: api::ExecRequest) -> Result<String, CriError> {
        Ok(call!(self.exec(request, QUICK))?.url)
    }

    /// The URL of the runtime's streaming server for one attach.
    pub async fn attach(&self, request: api::AttachRequest) -> Result<String, CriError> {
        Ok(call!(self.attach(request, QUICK))?.url)
    }

    /// The URL of the runtime's streaming server for forwarding ports of a sandbox.
    pub async fn port_forward(&self, sandbox_id: &str, ports: Vec<i32>) -> Result<String, CriError> {
        let request = api::PortForwardRequest { pod_sandbox_id: sandbox_id.into(), port: ports };
        Ok(call!(self.port_forward(request, QUICK))?.url)
    }

    pub async fn list_container_stats(&self) -> Result<Vec<api::ContainerStats>, CriError> {
        Ok(call!(self.list_container_stats(api::ListContainerStatsRequest { filter: None }, QUICK))?.stats)
    }
}
