//! Who acts besides clients: controllers and scheduler, each write as its own account.

use std::{net::IpAddr, sync::Arc};

use gantry_auth::{
    UserInfo,
    pki::CertificateAuthority,
    signing::{self, SigningController, SigningParts},
    token::{SigningKey, TokenIssuer, TokenSecretController, TokenSecretParts},
    user::{service_account_groups, service_account_user_name},
};
use gantry_base::Shutdown;
use gantry_plugin_host::PluginHost;
use gantry_registry::{Executor, LocalClient};
use gantry_runtime::{ElectionConfig, ObjectSink, ObjectSource};

use super::{ControlPlaneConfig, ISSUER, Role, metrics::Metrics, served};

/// What they run on, and what those who sign need.
pub(super) struct Actors<'a> {
    pub config: &'a ControlPlaneConfig,
    pub executor: Executor,
    pub host: Arc<PluginHost>,
    pub authority: Arc<CertificateAuthority>,
    pub key: Arc<SigningKey>,
    pub metrics: Metrics,
    pub source: Arc<dyn ObjectSource>,
    pub shutdown: &'a Shutdown,
}

impl Actors<'_> {
    /// Starts those of the configured roles.
    pub fn start(self) {
        let reports = gantry_controllers::report_plugins(
            self.host.clone(),
            loopback(&self.executor, "plugin-host"),
            self.shutdown.token(),
        );
        self.shutdown.spawn(reports);
        if self.config.runs(Role::Controllers) {
            self.start_token_secrets();
            self.start_signing();
            self.start_controllers();
        }
        if self.config.runs(Role::Scheduler) {
            self.start_scheduler();
        }
    }

    fn start_token_secrets(&self) {
        let tokens = TokenSecretController::new(TokenSecretParts {
            issuer: Arc::new(TokenIssuer::new(self.key.clone(), ISSUER)),
            root_ca: self.authority.certificate_pem().to_owned(),
            source: self.source.clone(),
            sink: loopback(&self.executor, "tokens-controller"),
        });
        self.shutdown.spawn(tokens.run(self.shutdown.token()));
    }

    fn start_signing(&self) {
        let signing = SigningController::new(SigningParts {
            authority: self.authority.clone(),
            authorizer: self.executor.authorizer().clone(),
            source: self.source.clone(),
            sink: account(&self.executor, signing::ACCOUNT),
        });
        self.shutdown.spawn(signing.run(self.shutdown.token()));
    }

    fn start_controllers(&self) {
        let executor = self.executor.clone();
        let sinks: gantry_controllers::SinkFor = Arc::new(move |id| match id {
            "leader-election" => loopback(&executor, "plugin-host"),
            id => account(&executor, id),
        });
        let mut config = gantry_controllers::Config::new(served::follow(self.executor.catalog()));
        config.election = Some(election("kube-controller-manager", self.config.advertise));
        config.queues = Some(self.metrics.queues.clone());
        let (source, host) = (self.source.clone(), self.host.clone());
        self.shutdown.spawn(gantry_controllers::run(config, source, sinks, host, self.shutdown.token()));
    }

    fn start_scheduler(&self) {
        let user = UserInfo::new("system:kube-scheduler", &["system:authenticated"]);
        let sink = Arc::new(LocalClient::new(self.executor.clone(), user, "kube-scheduler"));
        let config = gantry_scheduler::Config {
            election: Some(election("kube-scheduler", self.config.advertise)),
            metrics: Some(self.metrics.scheduler.clone()),
            ..Default::default()
        };
        let (source, host) = (self.source.clone(), self.host.clone());
        self.shutdown.spawn(gantry_scheduler::run(config, source, sink, host, self.shutdown.token()));
    }
}

/// As the server itself.
fn loopback(executor: &Executor, agent: &str) -> Arc<dyn ObjectSink> {
    Arc::new(LocalClient::new(executor.clone(), UserInfo::loopback(), agent))
}

/// As the service account of kube-system that has the controller's name.
fn account(executor: &Executor, name: &str) -> Arc<dyn ObjectSink> {
    let groups = service_account_groups("kube-system");
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let user = UserInfo::new(&service_account_user_name("kube-system", name), &groups);
    Arc::new(LocalClient::new(executor.clone(), user, name))
}

fn election(name: &str, advertise: IpAddr) -> ElectionConfig {
    ElectionConfig::new("kube-system", name, &format!("{advertise}_{}", std::process::id()))
}
