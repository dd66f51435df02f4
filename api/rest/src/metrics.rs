//! What the server measures of itself, under upstream's names.

use std::time::Duration;

use actix_web::http::Method;
use gantry_registry::Verb;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::{route::Route, version::VERSION};

/// Seconds; those of upstream's `apiserver_request_duration_seconds`.
const DURATION_BUCKETS: &[f64] = &[
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];
/// Bytes; those of upstream's `apiserver_response_sizes`.
const SIZE_BUCKETS: &[f64] = &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const OF_A_REQUEST: [&str; 6] = ["verb", "group", "version", "resource", "subresource", "scope"];

pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    sizes: HistogramVec,
    in_flight: IntGaugeVec,
    long_running: IntGaugeVec,
}

/// What a request is counted under.
pub(crate) struct Labels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    long_running: bool,
}

impl Labels {
    pub fn of(route: &Route, method: &Method) -> Self {
        let Route::Resource(found) = route else {
            let none = String::new;
            let (group, version, resource, subresource) = (none(), none(), none(), none());
            let verb = method_label(method);
            return Self { verb, group, version, resource, subresource, scope: "", long_running: false };
        };
        let (target, unknown) = (&found.target, found.refused.is_some());
        // Names that clients make up must not become series.
        let known = |text: &str| if unknown { String::new() } else { text.to_owned() };
        Self {
            verb: if found.connect { "CONNECT" } else { verb_label(found.verb) },
            group: known(&target.resource.group),
            version: known(&target.resource.version),
            resource: known(&target.resource.resource),
            subresource: known(&target.subresource),
            scope: match (target.name.is_empty(), target.namespace.is_empty()) {
                (false, _) => "resource",
                (true, false) => "namespace",
                (true, true) => "cluster",
            },
            long_running: found.connect || found.verb == Verb::Watch,
        }
    }

    fn values(&self) -> [&str; 6] {
        [self.verb, &self.group, &self.version, &self.resource, &self.subresource, self.scope]
    }
}

fn verb_label(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create => "POST",
        Verb::Update => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

impl Metrics {
    /// Measures into `registry`, whose text [`Metrics::text`] gives.
    ///
    /// # Errors
    /// If the registry has such metrics already.
    pub fn register(registry: Registry) -> Result<Self, prometheus::Error> {
        let names = |extra: &[&'static str]| [&OF_A_REQUEST[..], extra].concat();
        let requests = Opts::new("apiserver_request_total", "Requests answered, by what they asked and the code.");
        let durations =
            HistogramOpts::new("apiserver_request_duration_seconds", "Seconds that requests took, watches aside.")
                .buckets(DURATION_BUCKETS.to_vec());
        let sizes = HistogramOpts::new("apiserver_response_sizes", "Bytes of answers, watches and streams aside.")
            .buckets(SIZE_BUCKETS.to_vec());
        let in_flight = Opts::new("apiserver_current_inflight_requests", "Requests being worked on.");
        let long_running = Opts::new("apiserver_longrunning_requests", "Watches and streams being served.");
        let metrics = Self {
            requests: IntCounterVec::new(requests, &names(&["code"]))?,
            durations: HistogramVec::new(durations, &names(&[]))?,
            sizes: HistogramVec::new(sizes, &names(&[]))?,
            in_flight: IntGaugeVec::new(in_flight, &["request_kind"])?,
            long_running: IntGaugeVec::new(long_running, &names(&[]))?,
            registry,
        };
        let collectors: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.sizes.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.long_running.clone()),
            Box::new(build_info()?),
        ];
        collectors.into_iter().try_for_each(|collector| metrics.registry.register(collector))?;
        Ok(metrics)
    }

    /// Counts a request until [`InFlight::end`].
    pub fn begin<'a>(&'a self, labels: &'a Labels) -> InFlight<'a> {
        let mutating = matches!(labels.verb, "POST" | "PUT" | "PATCH" | "DELETE" | "DELETECOLLECTION");
        let kind = if mutating { "mutating" } else { "readOnly" };
        let gauge = self.in_flight.with_label_values(&[kind]);
        InFlight { metrics: self, labels, _counted: Counted::new(gauge) }
    }

    /// Counts a watch or stream for as long as the answer lives.
    pub fn long_running(&self, labels: &Labels) -> Counted {
        Counted::new(self.long_running.with_label_values(&labels.values()))
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        encoded.expect("a Vec takes everything");
        String::from_utf8(out).expect("the text encoder writes UTF-8")
    }
}

/// One gauge that is always 1: its labels are what it tells.
fn build_info() -> Result<IntGaugeVec, prometheus::Error> {
    let told =
        ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
    let labels = [
        "major",
        "minor",
        "git_version",
        "git_commit",
        "git_tree_state",
        "build_date",
        "go_version",
        "compiler",
        "platform",
    ];
    let info = IntGaugeVec::new(Opts::new("kubernetes_build_info", "What was built, and how."), &labels)?;
    info.with_label_values(&told.map(|member| VERSION[member].as_str().unwrap_or_default())).set(1);
    Ok(info)
}

pub(crate) struct InFlight<'a> {
    metrics: &'a Metrics,
    labels: &'a Labels,
    _counted: Counted,
}

impl InFlight<'_> {
    /// `bytes` of the answer's body, where they are known.
    pub fn end(self, code: u16, bytes: Option<u64>, took: Duration) {
        let [verb, group, version, resource, subresource, scope] = self.labels.values();
        let with_code = [verb, group, version, resource, subresource, scope, &code.to_string()];
        self.metrics.requests.with_label_values(&with_code).inc();
        if self.labels.long_running {
            return;
        }
        self.metrics.durations.with_label_values(&self.labels.values()).observe(took.as_secs_f64());
        if let Some(bytes) = bytes {
            self.metrics.sizes.with_label_values(&self.labels.values()).observe(bytes as f64);
        }
    }
}

/// One more, until dropped.
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
