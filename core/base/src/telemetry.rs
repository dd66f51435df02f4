//! Logs to standard error, traces to an OpenTelemetry collector where one is configured.

use std::{fs::OpenOptions, io, path::PathBuf, sync::Arc, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use thiserror::Error;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, Targets},
    fmt::writer::BoxMakeWriter,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The target of the spans of requests, at level debug: collectors get them, logs do not unless asked to.
pub const REQUEST_SPANS: &str = "gantry::request";

#[derive(Debug, Error)]
pub enum TelemetryError {
    #[error("log filter {filter:?} is not valid")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("the log file {path:?} cannot be written")]
    File { path: PathBuf, source: io::Error },
    #[error("the OTLP endpoint {endpoint:?} cannot be used")]
    Endpoint { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
    #[error("telemetry was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

#[derive(Clone, Debug, Default)]
pub struct TelemetryOptions {
    /// What the process calls itself in traces: `gantry-server`, `gantry-node`.
    pub service: &'static str,
    /// `tracing` directives, for example `info,gantry_agent=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Where logs go; `None`: standard error.
    pub file: Option<PathBuf>,
    /// An OTLP/gRPC collector, for example `http://127.0.0.1:4317`. `None`: no traces leave the process.
    pub otlp_endpoint: Option<String>,
}

/// Keeps the exporter alive; flushes what is pending when dropped.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // The process is ending: a collector that does not answer must not hold it up or change its exit code.
            let _ = provider.shutdown_with_timeout(Duration::from_secs(2));
        }
    }
}

/// Sets up logs and traces for the process. Call once, inside the runtime.
///
/// # Errors
/// If the filter or the endpoint is not valid, or telemetry stands already.
pub fn init(options: &TelemetryOptions) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&options.filter)
        .map_err(|source| TelemetryError::Filter { filter: options.filter.clone(), source })?;
    let format = tracing_subscriber::fmt::layer().with_writer(writer(options)?).with_target(true);
    let format = if options.json { format.json().boxed() } else { format.with_ansi(false).boxed() };
    let provider = options.otlp_endpoint.as_deref().map(|e| tracer_provider(options.service, e)).transpose()?;
    let traces = provider.as_ref().map(|p| {
        let spans = Targets::new().with_default(LevelFilter::INFO).with_target(REQUEST_SPANS, LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(p.tracer(options.service)).with_filter(spans)
    });
    // Each has a filter of its own: spans of requests cost something only where a collector gets them.
    tracing_subscriber::registry().with(format.with_filter(filter)).with(traces).try_init()?;
    Ok(Telemetry(provider))
}

fn writer(options: &TelemetryOptions) -> Result<BoxMakeWriter, TelemetryError> {
    let Some(path) = &options.file else { return Ok(BoxMakeWriter::new(io::stderr)) };
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map(|f| BoxMakeWriter::new(Arc::new(f))).map_err(|source| TelemetryError::File { path: path.clone(), source })
}

fn tracer_provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|source| TelemetryError::Endpoint { endpoint: endpoint.into(), source })?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
