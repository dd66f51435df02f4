//! The control plane: store, cache, executor, doors, controllers and scheduler, wired.

mod actors;
mod config;
mod doors;
mod identity;
mod metrics;
mod open_files;
mod plugins;
mod served;
mod service_types;
mod store;

use std::sync::Arc;

use anyhow::{Context, Result};
use gantry_auth::{
    AccessStore, Authenticator, AuthorizerChain, UserInfo,
    audit::{AuditLog, Policy},
    feed,
    pki::{CertificateAuthority, ClientCertificates},
    token::{TokenIssuer, TokenVerifier},
};
use gantry_base::Shutdown;
use gantry_codec::{Format, parse_untyped};
use gantry_plugin_host::PluginHost;
use gantry_registry::{CachedAccounts, Executor, ExecutorParts, LocalClient, ServicePools, ServiceTokens, bootstrap};
use gantry_runtime::{ObjectSink, ObjectSource};
use gantry_watch_cache::WatchCache;

use crate::plugin_folder::Family;
use actors::Actors;
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
        let actors = Actors {
            config: &config,
            executor: executor.clone(),
            host,
            authority: identity.authority.clone(),
            key: identity.signing_key.clone(),
            metrics,
            source,
            shutdown,
        };
        actors.start();
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
