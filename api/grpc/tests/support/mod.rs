//! A control plane on storage in memory, with its gRPC door on a port of its own.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use gantry_auth::{
    AccessStore, Authenticator, AuthorizerChain, UserInfo,
    audit::AuditLog,
    feed,
    pki::{self, CertificateAuthority, ClientCertificates, IssuedCertificate, RotatingCertificate, Validity},
    token::{DEFAULT_ISSUER, SigningKey, TokenIssuer, TokenVerifier},
};
use gantry_client::{ClientConfig, GrpcClient, Identity, Token};
use gantry_grpc::GrpcServer;
use gantry_meta::{Cause, GroupVersionResource, Object, Status};
use gantry_registry::{
    CachedAccounts, Executor, ExecutorParts, LocalClient, PoolClaim, ServicePools, ServiceTokens, ServiceTypes,
    bootstrap::{self, ClusterFacts},
    resource_configs,
};
use gantry_runtime::ObjectSource;
use gantry_storage::memory::MemoryStorage;
use gantry_watch_cache::{CacheOptions, WatchCache};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// No service types are installed: services are stored as they come.
struct PlainServices;

#[async_trait]
impl ServiceTypes for PlainServices {
    async fn validate(&self, _: Option<&Object>, _: &Object) -> Result<Vec<Cause>, Status> {
        Ok(Vec::new())
    }

    async fn allocate(&self, _: Option<&Object>, _: &Object) -> Result<Vec<PoolClaim>, Status> {
        Ok(Vec::new())
    }
}

pub struct Cluster {
    pub address: SocketAddr,
    pub authority: CertificateAuthority,
    /// The loopback user in process.
    pub local: LocalClient,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
    pub issuer: Arc<TokenIssuer>,
}

impl Cluster {
    pub async fn start() -> Self {
        Self::recording(None).await
    }

    /// With a record of what is asked.
    pub async fn recording(audit: Option<Arc<AuditLog>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = CertificateAuthority::load_or_create(folder.path(), now).unwrap();
        let key = Arc::new(SigningKey::load_or_create(folder.path()).unwrap());
        let issuer = Arc::new(TokenIssuer::new(key.clone(), DEFAULT_ISSUER));
        let certificates = ClientCertificates::new(authority.certificate_pem()).unwrap();
        let store = Arc::new(AccessStore::default());
        let executor = executor(&certificates, key, issuer.clone(), store.clone(), audit).await;
        let local = LocalClient::new(executor.clone(), UserInfo::loopback(), "test");
        let stop = CancellationToken::new();
        let both = Arc::new(local.clone());
        bootstrap::reconcile(both.as_ref(), both.as_ref(), &facts(&authority)).await.unwrap();
        let source: Arc<dyn ObjectSource> = both;
        feed::follow(&source, &store, &stop).synced().await;
        let names = vec!["localhost".to_owned()];
        let own = authority
            .issue_server("apiserver", &names, &["127.0.0.1".parse().unwrap()], Validity::days(now, 2))
            .unwrap();
        let tls = pki::server_config(RotatingCertificate::new(&own).unwrap(), Some(&certificates)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = GrpcServer::new(executor, tls);
        let ending = stop.clone();
        let served = tokio::spawn(async move { server.serve(listener, ending).await.unwrap() });
        Self { address, authority, local, stop, served, issuer }
    }

    pub fn config(&self) -> ClientConfig {
        ClientConfig::new(&format!("https://{}", self.address), self.authority.certificate_pem())
    }

    /// A client with a certificate for this user.
    pub fn client(&self, user: &str, group: Option<&str>) -> GrpcClient {
        let validity = Validity::days(Timestamp::now(), 1);
        self.client_of(&self.authority.issue_client(user, group, validity).unwrap())
    }

    pub fn client_of(&self, certificate: &IssuedCertificate) -> GrpcClient {
        let IssuedCertificate { certificate_pem, key_pem } = certificate.clone();
        GrpcClient::new(self.config().identity(Identity::Pem { certificate: certificate_pem, key: key_pem })).unwrap()
    }

    pub fn client_with_token(&self, token: &str) -> GrpcClient {
        GrpcClient::new(self.config().token(Token::Fixed(token.to_owned()))).unwrap()
    }
}

async fn executor(
    certificates: &ClientCertificates,
    key: Arc<SigningKey>,
    issuer: Arc<TokenIssuer>,
    store: Arc<AccessStore>,
    audit: Option<Arc<AuditLog>>,
) -> Executor {
    let catalog = gantry_kinds::catalog().clone();
    let storage = Arc::new(MemoryStorage::new());
    let cache = WatchCache::start(storage, resource_configs(&catalog), CacheOptions::default()).await;
    let audiences = vec![DEFAULT_ISSUER.to_owned()];
    let accounts = Arc::new(CachedAccounts::new(cache.clone()));
    let verifier = TokenVerifier::new(vec![key], DEFAULT_ISSUER, accounts);
    let authenticator = Authenticator::new(certificates.clone(), verifier, store.clone(), audiences.clone());
    Executor::new(ExecutorParts {
        catalog,
        cache,
        authorizer: Arc::new(AuthorizerChain::new(store)),
        authenticator: Arc::new(authenticator),
        tokens: ServiceTokens { issuer, audiences },
        service_types: Arc::new(PlainServices),
        service_pools: ServicePools::default(),
        audit,
    })
}

pub fn facts(authority: &CertificateAuthority) -> ClusterFacts {
    ClusterFacts {
        service_cidr: "10.96.0.0/16".into(),
        api_service_address: "10.96.0.1".into(),
        dns_service_address: "10.96.0.10".into(),
        advertised: "192.0.2.1:6443".parse().unwrap(),
        authority_pem: authority.certificate_pem().to_owned(),
    }
}

pub fn core(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", resource)
}
