//! A configured plugin: its instance, its conduct, and the one way to call it.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gantry_abi as abi;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    HangSignal,
    call::{CallError, CallSpec, Frame, HookError, Running},
    health::{Fault, Health, State},
    host::Engine,
    instance::Instance,
    latency::Latency,
    load::{Module, PluginManifest},
    services::HostSide,
};

/// How long after its deadline a call counts as a hang.
const GRACE: Duration = Duration::from_millis(500);
const CREATE_BUDGET: Duration = Duration::from_secs(5);

/// What happens to the work when its plugin fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
pub enum FailurePolicy {
    /// The work waits: a pod stays Pending with an event that names the plugin.
    #[default]
    FailClosed,
    /// The work goes on without the plugin.
    FailOpen,
}

/// What an operator says about a plugin.
#[derive(Clone, PartialEq, Debug)]
pub struct PluginConfig {
    pub config: Value,
    pub failure_policy: FailurePolicy,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self { config: Value::Object(serde_json::Map::new()), failure_policy: FailurePolicy::default() }
    }
}

/// A plugin as [`crate::PluginHost::configure`] made it.
pub struct Plugin {
    itself: Weak<Self>,
    engine: Arc<Engine>,
    module: Arc<Module>,
    manifest: PluginManifest,
    config: PluginConfig,
    config_json: String,
    instance: Mutex<Option<Arc<Instance>>>,
    health: Mutex<Health>,
    latency: Latency,
    instances_made: AtomicU64,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("id", &self.manifest.id).finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) fn new(
        engine: Arc<Engine>,
        module: Arc<Module>,
        manifest: PluginManifest,
        config: PluginConfig,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            engine,
            module,
            manifest,
            config_json: config.config.to_string(),
            config,
            instance: Mutex::default(),
            health: Mutex::default(),
            latency: Latency::default(),
            instances_made: AtomicU64::new(0),
        })
    }

    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    pub fn manifest(&self) -> &PluginManifest {
        &self.manifest
    }

    pub fn failure_policy(&self) -> FailurePolicy {
        self.config.failure_policy
    }

    /// Makes an instance now, to learn whether the plugin works with its configuration.
    ///
    /// # Errors
    /// As any call, and what `create` answered.
    pub fn start(&self) -> Result<(), CallError> {
        self.admit().map(drop)
    }

    /// Runs a hook on one of the host's own threads, which is given up if the plugin does not return.
    ///
    /// # Errors
    /// What `hook` says; a hang is [`Fault::Hang`].
    pub async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        hook: impl FnOnce(&Self, HangSignal) -> Result<R, CallError> + Send + 'static,
    ) -> Result<R, CallError> {
        let (answer, answered) = oneshot::channel();
        let hang = HangSignal::default();
        let (plugin, signal) = (self.clone(), hang.clone());
        let started = self.engine.lanes.run(move || {
            let _ = answer.send(hook(&plugin, signal));
        });
        if let Err(error) = started {
            return Err(self.fault_error(Fault::Create(format!("no thread: {error}"))));
        }
        tokio::select! {
            answer = answered => answer.unwrap_or_else(|_| Err(self.fault_error(Fault::Panic("the host's wrapper panicked".into())))),
            () = hang.raised() => Err(self.fault_error(Fault::Hang)),
        }
    }

    /// Calls one hook on this thread, under the watchdog's eyes, and keeps account of the plugin's conduct.
    pub(crate) fn call<R>(
        &self,
        spec: &CallSpec<'_>,
        hook: impl FnOnce(&Running<'_>) -> Result<R, HookError>,
    ) -> Result<R, CallError> {
        self.call_on(&self.admit()?, spec, hook)
    }

    /// As [`Plugin::call`], on an instance that an earlier call used: for hooks that share a state.
    pub(crate) fn call_on<R>(
        &self,
        instance: &Arc<Instance>,
        spec: &CallSpec<'_>,
        hook: impl FnOnce(&Running<'_>) -> Result<R, HookError>,
    ) -> Result<R, CallError> {
        let cancel = Arc::new(AtomicU32::new(0));
        let mut frame = Frame::new(spec, &cancel);
        let running = Running::new(instance, frame.seal());
        let budget = spec.budget.unwrap_or(CallSpec::BUDGET);
        let ticket = self.engine.watchdog.begin(
            budget,
            GRACE,
            cancel,
            spec.hang.clone(),
            self.on_hang(Arc::downgrade(instance)),
        );
        let began = Instant::now();
        let result = hook(&running);
        let took = began.elapsed();
        drop(ticket);
        self.latency.record(took);
        let judged = self.judge(result, &running, instance);
        if judged.is_ok() && took > budget {
            self.note(Fault::Deadline);
        }
        judged
    }

    fn judge<R>(
        &self,
        result: Result<R, HookError>,
        running: &Running<'_>,
        instance: &Arc<Instance>,
    ) -> Result<R, CallError> {
        let fault = match result {
            Ok(result) => return Ok(result),
            Err(HookError::Unsupported(interface)) => {
                return Err(CallError::Unsupported { plugin: self.id().to_owned(), interface });
            }
            Err(HookError::BadResult(what)) => Fault::BadResult(what),
            Err(HookError::Code(code)) => {
                let message = match running.message() {
                    Ok(message) => message,
                    Err(_) => return Err(self.fault_error(self.note(Fault::BadResult("an unreadable message".into())))),
                };
                match code {
                    abi::E_PANIC => Fault::Panic(message),
                    abi::E_POISONED => Fault::Panic("is poisoned by an earlier panic".into()),
                    abi::E_DEADLINE => Fault::Deadline,
                    abi::OK => Fault::BadResult("code 0 where it means nothing".into()),
                    code if (abi::ERROR..=abi::PENDING).contains(&code)
                        || code == abi::E_INVALID
                        || code == abi::E_UNSUPPORTED =>
                    {
                        return Err(CallError::Refused { code, message });
                    }
                    other => Fault::BadResult(format!("the unknown code {other}")),
                }
            }
        };
        if matches!(fault, Fault::Panic(_)) {
            self.retire(instance);
        }
        Err(self.fault_error(self.note(fault)))
    }

    /// The instance to call, made if there is none.
    pub(crate) fn admit(&self) -> Result<Arc<Instance>, CallError> {
        let now = Instant::now();
        {
            let mut health = self.health.lock();
            let why = health.last_fault.as_ref().map(ToString::to_string).unwrap_or_default();
            match health.state(now) {
                State::Healthy => {}
                State::Quarantined { until } => {
                    let seconds = (until - now).as_secs() + 1;
                    return Err(CallError::Quarantined { plugin: self.id().to_owned(), seconds, why });
                }
                State::Off => return Err(CallError::Off { plugin: self.id().to_owned(), why }),
            }
        }
        let mut instance = self.instance.lock();
        if let Some(instance) = &*instance {
            return Ok(instance.clone());
        }
        let made = Arc::new(self.create()?);
        *instance = Some(made.clone());
        Ok(made)
    }

    /// Under the instance's lock: `create` is [serial].
    fn create(&self) -> Result<Instance, CallError> {
        let host = HostSide::new(self.id());
        let cancel = Arc::new(AtomicU32::new(0));
        let spec = CallSpec { budget: Some(CREATE_BUDGET), ..CallSpec::default() };
        let mut frame = Frame::new(&spec, &cancel);
        let call = frame.seal();
        let mut raw = std::ptr::null_mut();
        let (id, config) = (abi::Str::of(self.id()), abi::Str::of(&self.config_json));
        let ticket = self.engine.watchdog.begin(CREATE_BUDGET, GRACE, cancel, None, self.on_hang(Weak::new()));
        // SAFETY: the arguments are as the header wants them; the host side stays with the instance.
        let code = unsafe { self.module.create_fn()(&host.host, call, id, config, &mut raw) };
        drop(ticket);
        if code != abi::OK {
            // SAFETY: the message of this frame.
            let message = unsafe { String::from_utf8_lossy((*(*call).message).bytes()).into_owned() };
            return Err(self.fault_error(self.note(Fault::Create(format!("{message} (code {code})")))));
        }
        self.instances_made.fetch_add(1, Ordering::Relaxed);
        // SAFETY: made by `create` with this host.
        unsafe { Instance::adopt(raw, host) }.map_err(|what| self.fault_error(self.note(Fault::BadResult(what.into()))))
    }

    /// The next call makes a fresh instance.
    fn retire(&self, instance: &Arc<Instance>) {
        let mut current = self.instance.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, instance)) {
            *current = None;
        }
    }

    fn on_hang(&self, instance: Weak<Instance>) -> crate::watchdog::OnHang {
        let plugin = self.itself.clone();
        Box::new(move || {
            let Some(plugin) = plugin.upgrade() else { return };
            // Health first: nobody is admitted to the instance that is given up.
            plugin.note(Fault::Hang);
            if let Some(instance) = instance.upgrade() {
                instance.abandon();
                plugin.retire(&instance);
            }
        })
    }

    fn note(&self, fault: Fault) -> Fault {
        let left_out = self.health.lock().fault(fault.clone(), Instant::now());
        let plugin = self.id();
        tracing::warn!(plugin, reason = fault.reason(), "plugin {plugin} {fault}");
        if left_out {
            tracing::error!(plugin, "plugin {plugin} is quarantined");
        }
        fault
    }

    fn fault_error(&self, fault: Fault) -> CallError {
        CallError::Fault { plugin: self.id().to_owned(), fault }
    }

    /// What operators see.
    pub fn status(&self) -> PluginStatus {
        let now = Instant::now();
        let mut health = self.health.lock();
        let (state, retry_after_seconds) = match health.state(now) {
            State::Healthy => ("Healthy", None),
            State::Quarantined { until } => ("Quarantined", Some((until - now).as_secs() + 1)),
            State::Off => ("Off", None),
        };
        PluginStatus {
            id: self.id().to_owned(),
            version: self.manifest.version.clone(),
            tier: "T0",
            interfaces: self.manifest.interfaces.clone(),
            path: self.module.checked().path.display().to_string(),
            sha256: self.module.checked().sha256.clone(),
            failure_policy: self.config.failure_policy,
            health: state,
            retry_after_seconds,
            faults: health.faults_total,
            last_fault: health.last_fault.as_ref().map(ToString::to_string),
            calls: self.latency.calls(),
            latency_p50_us: self.latency.quantile(0.5).as_micros() as u64,
            latency_p99_us: self.latency.quantile(0.99).as_micros() as u64,
            instances: self.instances_made.load(Ordering::Relaxed),
        }
    }
}

/// The status of a `Plugin` object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    pub id: String,
    pub version: String,
    pub tier: &'static str,
    pub interfaces: Vec<String>,
    pub path: String,
    pub sha256: String,
    pub failure_policy: FailurePolicy,
    /// `Healthy`, `Quarantined` or `Off`.
    pub health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    pub faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<String>,
    pub calls: u64,
    /// Upper bounds, within a factor of two.
    pub latency_p50_us: u64,
    pub latency_p99_us: u64,
    /// How many instances were made; more than one after panics.
    pub instances: u64,
}
