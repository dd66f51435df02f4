//! Probes: one task for each probe of each running container. A task reports when its verdict (after thresholds) changes.

pub mod grpc;
pub mod http;
pub mod target;

use std::time::Duration;

use gantry_cri::RuntimeClient;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::sync::mpsc;

use crate::{
    events::{EventRecorder, Subject},
    pod::probe_state::ProbeKind,
};

/// What one probe of one container now says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeReport {
    pub container_id: String,
    pub kind: ProbeKind,
    pub passes: bool,
}

/// Everything that a probe's task needs.
pub struct ProbeTask {
    pub runtime: RuntimeClient,
    pub events: EventRecorder,
    pub subject: Subject,
    pub container: Container,
    pub container_id: String,
    pub pod_ip: String,
    pub kind: ProbeKind,
    pub started_at: Timestamp,
}

/// Thresholds and times of a probe, with the API's defaults.
struct Settings {
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    successes: u32,
    failures: u32,
}

impl Settings {
    fn of(probe: &Probe) -> Self {
        let number = |value: Option<i32>, default: u32| {
            value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
        };
        let seconds = |value: Option<i32>, default: u32| Duration::from_secs(number(value, default).into());
        Self {
            initial_delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            successes: number(probe.success_threshold, 1),
            failures: number(probe.failure_threshold, 3),
        }
    }
}

impl ProbeTask {
    /// Probes until the task is aborted, its listener is gone, or (startup, and liveness that failed) there is nothing
    /// more to say.
    pub async fn run(self, reports: mpsc::UnboundedSender<ProbeReport>) {
        let Some(probe) = self.kind.of(&self.container) else { return };
        let settings = Settings::of(probe);
        self.wait_for_first(&settings).await;
        let (mut run_of, mut last) = (0_u32, None);
        let mut verdict = None;
        loop {
            let outcome = self.once(probe, settings.timeout).await;
            let passes = outcome.is_ok();
            if let Err(message) = outcome {
                self.announce(&message);
            }
            run_of = if last == Some(passes) { run_of + 1 } else { 1 };
            last = Some(passes);
            let threshold = if passes { settings.successes } else { settings.failures };
            if run_of >= threshold && verdict != Some(passes) {
                verdict = Some(passes);
                let report = ProbeReport { container_id: self.container_id.clone(), kind: self.kind, passes };
                let is_last = self.kind == ProbeKind::Startup || (self.kind == ProbeKind::Liveness && !passes);
                if reports.send(report).is_err() || is_last {
                    return;
                }
            }
            tokio::time::sleep(settings.period).await;
        }
    }

    /// The initial delay counts from the container's start, which may lie long ago.
    async fn wait_for_first(&self, settings: &Settings) {
        let age = Duration::try_from(Timestamp::now().duration_since(self.started_at)).unwrap_or_default();
        tokio::time::sleep(settings.initial_delay.saturating_sub(age)).await;
    }

    fn announce(&self, message: &str) {
        let kind = self.kind.name();
        let capitalised = kind[..1].to_uppercase() + &kind[1..];
        self.events.warning(self.subject.clone(), "Unhealthy", format!("{capitalised} probe failed: {message}"));
    }

    /// One attempt. The error is what the probe found, for the event.
    async fn once(&self, probe: &Probe, timeout: Duration) -> Result<(), String> {
        if let Some(exec) = &probe.exec {
            return self.exec(exec.command.clone().unwrap_or_default(), timeout).await;
        }
        if let Some(get) = &probe.http_get {
            let request = target::http_target(get, &self.container, &self.pod_ip)?;
            return http::get(&request, timeout).await.and_then(http::is_success).map_err(|f| f.to_string());
        }
        if let Some(socket) = &probe.tcp_socket {
            let port = target::port(&socket.port, &self.container)?;
            let host = socket.host.as_deref().filter(|h| !h.is_empty()).unwrap_or(&self.pod_ip);
            return tcp(host, port, timeout).await;
        }
        match &probe.grpc {
            Some(grpc) => {
                let port = u16::try_from(grpc.port).map_err(|e| e.to_string())?;
                grpc::check(&self.pod_ip, port, grpc.service.as_deref().unwrap_or_default(), timeout).await
            }
            None => Ok(()),
        }
    }

    async fn exec(&self, command: Vec<String>, timeout: Duration) -> Result<(), String> {
        let shown = command.join(" ");
        let output = self.runtime.exec_sync(&self.container_id, command, timeout).await;
        let output = output.map_err(|error| format!("command {shown:?} failed: {error}"))?;
        if output.exit_code == 0 {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        Err(String::from_utf8_lossy(&text).trim_end().to_owned())
    }
}

async fn tcp(host: &str, port: u16, timeout: Duration) -> Result<(), String> {
    match tokio::time::timeout(timeout, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("dial tcp {host}:{port}: {error}")),
        Err(_) => Err(format!("dial tcp {host}:{port}: i/o timeout")),
    }
}
