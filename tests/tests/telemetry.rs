//! What operators see of requests from outside: traces in a collector, audit events in a file, metrics.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};
use gantry_tests::{Cluster, Options, until};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value as Attribute,
    trace::v1::Span,
};
use serde_json::Value;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

const LONG: Duration = Duration::from_secs(60);

/// An OTLP/gRPC collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|of| of.scope_spans);
        self.0.lock().map_err(|_| Status::internal("poisoned"))?.extend(spans.flat_map(|of| of.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Serves until the runtime ends.
    fn serve(&self, runtime: &tokio::runtime::Runtime) -> Result<SocketAddr> {
        let _entered = runtime.enter();
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = incoming.local_addr()?;
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        runtime.spawn(server.serve_with_incoming(incoming));
        Ok(address)
    }

    fn span_of(&self, path: &str) -> Option<Span> {
        let spans = self.0.lock().ok()?;
        spans.iter().find(|span| text(span, "url.path").as_deref() == Some(path)).cloned()
    }
}

fn attribute(span: &Span, key: &str) -> Option<Attribute> {
    span.attributes.iter().find(|one| one.key == key)?.value.clone()?.value
}

fn text(span: &Span, key: &str) -> Option<String> {
    match attribute(span, key)? {
        Attribute::StringValue(text) => Some(text),
        _ => None,
    }
}

#[test]
fn each_request_is_a_span_in_the_collector_that_was_named() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let collector = Collector::default();
    let address = collector.serve(&runtime)?;
    let arguments = vec!["--otlp-endpoint".into(), format!("http://{address}")];
    let cluster = Cluster::start(Options { arguments, ..Options::control_plane() })?;
    cluster.kubectl().run("get --raw /api/v1/namespaces/kube-public")?;
    let span = until("the span of a request", LONG, || Ok(collector.span_of("/api/v1/namespaces/kube-public")))?;
    assert_eq!(text(&span, "http.request.method").as_deref(), Some("GET"));
    assert_eq!(attribute(&span, "http.response.status_code"), Some(Attribute::IntValue(200)));
    assert!(text(&span, "audit.id").is_some_and(|id| !id.is_empty()), "{span:?}");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    Ok(())
}

const POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
    {"level": "Metadata", "resources": [{"resources": ["secrets"]}]},
    {"level": "Request", "resources": [{"resources": ["configmaps"]}], "verbs": ["create"]},
    {"level": "None"}]}"#;

fn events(log: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(log)?;
    text.lines().map(|line| serde_json::from_str(line).context("a line of the audit log is not JSON")).collect()
}

#[test]
fn requests_are_recorded_as_the_audit_policy_says_and_secrets_stay_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    std::fs::write(&policy, POLICY)?;
    let arguments = ["--audit-policy-file", &policy.to_string_lossy(), "--audit-log-path", &log.to_string_lossy()]
        .map(str::to_owned)
        .to_vec();
    let cluster = Cluster::start(Options { arguments, ..Options::control_plane() })?;
    let kubectl = cluster.kubectl();
    kubectl.run("create secret generic quiet --from-literal=word=swordfish")?;
    kubectl.run("create configmap loud --from-literal=word=hello")?;
    kubectl.run("get configmaps")?;
    kubectl.run("delete secret quiet")?;
    let of = |verb: &'static str, name: &'static str| {
        let log = log.clone();
        until("the audit event", LONG, move || {
            let all = events(&log)?;
            Ok(all.into_iter().find(|e| e["verb"] == verb && e["objectRef"]["name"] == name))
        })
    };
    let secret = of("create", "quiet")?;
    assert_eq!(secret["level"], "Metadata");
    assert_eq!(secret["user"]["username"], "kubernetes-admin");
    assert_eq!((&secret["responseStatus"]["code"], &secret["stage"]), (&201.into(), &"ResponseComplete".into()));
    assert!(secret.get("requestObject").is_none(), "{secret}");
    assert_eq!(of("create", "loud")?["requestObject"]["data"]["word"], "hello");
    of("delete", "quiet")?;
    let text = std::fs::read_to_string(&log)?;
    assert!(!text.contains("swordfish") && !text.contains("c3dvcmRmaXNo"), "a secret is in the audit log");
    let of_maps = |event: &&Value| event["objectRef"]["resource"] == "configmaps";
    assert!(events(&log)?.iter().filter(of_maps).all(|e| e["verb"] == "create"), "the policy wants no other verbs");
    Ok(())
}

#[test]
fn the_metrics_of_requests_queues_scheduler_and_process_have_upstreams_names() -> Result<()> {
    let cluster = Cluster::start(Options::control_plane())?;
    let kubectl = cluster.kubectl();
    kubectl.run("get configmaps")?;
    kubectl.run("create deployment waits --image=busybox")?;
    let metrics = || kubectl.run("get --raw /metrics");
    // No node: the pod of the deployment has to wait.
    let pending = r#"scheduler_pending_pods{queue="unschedulable"} 1"#;
    until("a pod that waits", LONG, || Ok(metrics()?.contains(pending).then_some(())))?;
    let text = metrics()?;
    let listed = r#"group="",resource="configmaps",scope="namespace",subresource="",verb="LIST",version="v1""#;
    for wanted in [
        format!(r#"apiserver_request_total{{code="200",{listed}}} 1"#),
        format!(r#"apiserver_request_duration_seconds_count{{{listed}}} 1"#),
        format!(r#"apiserver_response_sizes_count{{{listed}}} 1"#),
        r#"apiserver_current_inflight_requests{request_kind="readOnly"} 1"#.into(),
        r#"scheduler_schedule_attempts_total{profile="default-scheduler",result="unschedulable"} 1"#.into(),
        r#"workqueue_depth{name="deployment-controller"} 0"#.into(),
    ] {
        assert!(text.lines().any(|line| line == wanted), "no {wanted} in\n{text}");
    }
    for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "kubernetes_build_info{"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name} in\n{text}");
    }
    let adds = r#"workqueue_adds_total{name="deployment-controller"} "#;
    let added = text.lines().find_map(|line| line.strip_prefix(adds)?.parse::<u64>().ok());
    assert!(added.is_some_and(|adds| adds > 0), "no {adds} in\n{text}");
    Ok(())
}
