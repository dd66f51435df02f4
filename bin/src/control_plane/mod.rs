//! The control plane: store, cache, executor, doors, controllers and scheduler, wired.

mod config;
mod doors;
mod identity;
mod metrics;
mod open_files;
mod plugins;
mod served;
mod service_types;
mod store;

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context, Result};
use gantry_auth::{
    AccessStore, Authenticator, AuthorizerChain, UserInfo,
    audit::{AuditLog, Policy},
    feed,
    pki::{CertificateAuthority, ClientCertificates},
    signing::{self, SigningController, SigningParts},
    token::{SigningKey, TokenIssuer, TokenSecretController, TokenSecretParts, TokenVerifier},
    user::{service_account_groups, service_account_user_name},
};
use gantry_base::Shutdown;
use gantry_codec::{Format, parse_untyped};
use gantry_plugin_host::PluginHost;
use gantry_registry::{CachedAccounts, Executor, ExecutorParts, LocalClient, ServicePools, ServiceTokens, bootstrap};
use gantry_runtime::{ElectionConfig, ObjectSink, ObjectSource};
use gantry_watch_cache::WatchCache;

use crate::plugin_folder::Family;
pub use config::{AuditConfig, ControlPlaneConfig, Role};
use identity::Identity;
use metrics::Metrics;
use plugins::ClusterFacts;
use service_types::PluginServiceTypes;
use store::Store;

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const CLUSTER_CIDR: &str = "10.244.0.0/16";
const SERVICE_CIDR: &str = "10.96.0.0/16";
const API_SERVICE_ADDRESS: &str = "10.96.0.1";
const DNS_SERVICE_ADDRESS: &str = "10.96.0.10";

/// A running control plane. Its parts end with the [`Shutdown`] that it was started with.
pub struct ControlPlane {
    identity: Identity,
    executor: Executor,
    grpc_port: u16,
    _store: Store,
}

impl ControlPlane {
    /// Returns when the API answers and the bootstrap objects stand.
    ///
    /// # Errors
    /// Names the part that could not be started.
    pub async fn start(config: ControlPlaneConfig, shutdown: &Shutdown) -> Result<Self> {
        let identity = Identity::load_or_create(&config)?;
        let store = Store::open(&config.database_url, config.database_patience).await?;
        let host = plugin_host(&config, &identity)?;
        let access = Arc::new(AccessStore::default());
        let audit = config.audit.as_ref().map(audit_log).transpose()?;
        let executor = executor(&identity, store.cache.clone(), &host, access.clone(), audit)?;

        let loopback = Arc::new(LocalClient::new(executor.clone(), UserInfo::loopback(), "gantry-server"));
        let (source, sink): (Arc<dyn ObjectSource>, Arc<dyn ObjectSink>) = (loopback.clone(), loopback);
        let facts = config.bootstrap_facts(identity.authority.certificate_pem());
        bootstrap::maintain(source.clone(), sink, facts, shutdown.token()).complete().await;
        feed::follow(&source, &access, &shutdown.token()).synced().await;

        let metrics = Metrics::new()?;
        open_files::raise_limit();
        doors::open_rest(&config, &identity, &executor, metrics.registry.clone(), shutdown)?;
        let grpc_port = doors::open_grpc(&config, &identity, &executor, shutdown).await?;
        let plugins =
            Plugins { host, authority: identity.authority.clone(), key: identity.signing_key.clone(), metrics };
        run_plugins(&config, &executor, plugins, &source, shutdown);
        identity.write_kubeconfig(&config)?;
        Ok(Self { identity, executor, grpc_port, _store: store })
    }

    pub fn authority(&self) -> &CertificateAuthority {
        &self.identity.authority
    }

    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// The cluster as the server itself sees it.
    pub fn source(&self) -> Arc<dyn ObjectSource> {
        Arc::new(LocalClient::new(self.executor.clone(), UserInfo::loopback(), "gantry-up"))
    }
}

fn plugin_host(config: &ControlPlaneConfig, identity: &Identity) -> Result<Arc<PluginHost>> {
    let host = Arc::new(PluginHost::new(&config.dir.plugins().join("store"))?);
    let facts = ClusterFacts { ca_certificate: identity.authority.certificate_pem(), cluster_cidr: CLUSTER_CIDR };
    let mut families = vec![Family::Service];
    if config.runs(Role::Controllers) {
        families.push(Family::Controllers);
    }
    if config.runs(Role::Scheduler) {
        families.push(Family::Scheduler);
    }
    for family in families {
        plugins::load(&host, &config.plugin_dir, family, &facts)?;
    }
    Ok(host)
}

fn executor(
    identity: &Identity,
    cache: Arc<WatchCache>,
    host: &PluginHost,
    access: Arc<AccessStore>,
    audit: Option<Arc<AuditLog>>,
) -> Result<Executor> {
    let audiences = vec![ISSUER.to_owned()];
    let verifier =
        TokenVerifier::new(vec![identity.signing_key.clone()], ISSUER, Arc::new(CachedAccounts::new(cache.clone())));
    let certificates = ClientCertificates::new(identity.authority.certificate_pem())?;
    let authenticator = Authenticator::new(certificates, verifier, access.clone(), audiences.clone());
    let service_types = PluginServiceTypes::of(host).context("the service types cannot be asked")?;
    Ok(Executor::new(ExecutorParts {
        catalog: gantry_kinds::catalog().clone(),
        cache,
        authorizer: Arc::new(AuthorizerChain::new(access)),
        authenticator: Arc::new(authenticator),
        tokens: ServiceTokens { issuer: Arc::new(TokenIssuer::new(identity.signing_key.clone(), ISSUER)), audiences },
        service_types: Arc::new(service_types),
        service_pools: ServicePools::default(),
        audit,
    }))
}

fn audit_log(config: &AuditConfig) -> Result<Arc<AuditLog>> {
    let file = &config.policy_file;
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (policy, _) = parse_untyped(&text, Format::Yaml).with_context(|| format!("{} is not YAML", file.display()))?;
    let policy = Policy::from_json(policy).with_context(|| file.display().to_string())?;
    Ok(Arc::new(AuditLog::open(policy, &config.log)?))
}

/// What plugins run on, and what those who sign in their place need.
struct Plugins {
    host: Arc<PluginHost>,
    authority: Arc<CertificateAuthority>,
    key: Arc<SigningKey>,
    metrics: Metrics,
}

/// Controllers and scheduler, each write as its own account.
fn run_plugins(
    config: &ControlPlaneConfig,
    executor: &Executor,
    Plugins { host, authority, key, metrics }: Plugins,
    source: &Arc<dyn ObjectSource>,
    shutdown: &Shutdown,
) {
    let account = {
        let executor = executor.clone();
        move |name: &str| -> Arc<dyn ObjectSink> {
            let user = UserInfo::new(
                &service_account_user_name("kube-system", name),
                &service_account_groups("kube-system").iter().map(String::as_str).collect::<Vec<_>>(),
            );
            Arc::new(LocalClient::new(executor.clone(), user, name))
        }
    };
    let loopback: Arc<dyn ObjectSink> =
        Arc::new(LocalClient::new(executor.clone(), UserInfo::loopback(), "plugin-host"));
    shutdown.spawn(gantry_controllers::report_plugins(host.clone(), loopback.clone(), shutdown.token()));
    if config.runs(Role::Controllers) {
        let tokens = TokenSecretController::new(TokenSecretParts {
            issuer: Arc::new(TokenIssuer::new(key, ISSUER)),
            root_ca: authority.certificate_pem().to_owned(),
            source: source.clone(),
            sink: Arc::new(LocalClient::new(executor.clone(), UserInfo::loopback(), "tokens-controller")),
        });
        shutdown.spawn(tokens.run(shutdown.token()));
        let signing = SigningController::new(SigningParts {
            authority,
            authorizer: executor.authorizer().clone(),
            source: source.clone(),
            sink: account(signing::ACCOUNT),
        });
        shutdown.spawn(signing.run(shutdown.token()));
        let served = served::follow(executor.catalog());
        let sinks: gantry_controllers::SinkFor = Arc::new({
            let loopback = loopback.clone();
            move |id| if id == "leader-election" { loopback.clone() } else { account(id) }
        });
        let mut controllers = gantry_controllers::Config::new(served);
        controllers.election = Some(election("kube-controller-manager", config.advertise));
        controllers.queues = Some(metrics.queues);
        shutdown.spawn(gantry_controllers::run(controllers, source.clone(), sinks, host.clone(), shutdown.token()));
    }
    if config.runs(Role::Scheduler) {
        let user = UserInfo::new("system:kube-scheduler", &["system:authenticated"]);
        let sink: Arc<dyn ObjectSink> = Arc::new(LocalClient::new(executor.clone(), user, "kube-scheduler"));
        let scheduler = gantry_scheduler::Config {
            election: Some(election("kube-scheduler", config.advertise)),
            metrics: Some(metrics.scheduler),
            ..Default::default()
        };
        shutdown.spawn(gantry_scheduler::run(scheduler, source.clone(), sink, host, shutdown.token()));
    }
}

fn election(name: &str, advertise: IpAddr) -> ElectionConfig {
    ElectionConfig::new("kube-system", name, &format!("{advertise}_{}", std::process::id()))
}
