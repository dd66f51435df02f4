//! A whole API server on the memory store, with an authority of its own, on a free port.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use gantry_auth::{
    AccessStore, Authenticator, AuthorizerChain, UserInfo,
    audit::AuditLog,
    feed,
    kubeconfig::{Credentials, kubeconfig},
    pki::{self, CertificateAuthority, ClientCertificates, IssuedCertificate, RotatingCertificate, Validity},
    token::{self, SigningKey, TokenIssuer, TokenVerifier},
};
use gantry_meta::{Cause, FieldPath, Object, Status, Value};
use gantry_registry::{
    CachedAccounts, Executor, ExecutorParts, LocalClient, POOL_CLUSTER_IPS, POOL_NODE_PORTS, PoolClaim, ServicePools,
    ServiceTokens, ServiceTypes,
    bootstrap::{self, ClusterFacts},
    resource_configs,
};
use gantry_rest::{Dial, NodeDialer, OwnNetwork, RestConfig, RestHandle};
use gantry_runtime::ObjectSource;
use gantry_storage::Storage;
use gantry_watch_cache::{CacheOptions, WatchCache};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// What a test plays or looks into.
#[derive(Default)]
pub struct Setting {
    /// `None`: real nodes are reached.
    pub dial: Option<Arc<dyn Dial>>,
    pub audit: Option<Arc<AuditLog>>,
}

pub struct TestServer {
    pub address: SocketAddr,
    pub executor: Executor,
    pub cache: Arc<WatchCache>,
    pub authority: CertificateAuthority,
    pub admin: IssuedCertificate,
    pub shutdown: CancellationToken,
    pub handle: RestHandle,
}

impl TestServer {
    /// Starts on any free port, with the bootstrap objects made.
    pub async fn start(folder: &Path, storage: Arc<dyn Storage>, listen: SocketAddr, setting: Setting) -> Self {
        let now = Timestamp::now();
        let shutdown = CancellationToken::new();
        let catalog = gantry_kinds::catalog().clone();
        let cache = WatchCache::start(storage, resource_configs(&catalog), CacheOptions::default()).await;
        let authority = CertificateAuthority::load_or_create(folder, now).unwrap();
        let key = Arc::new(SigningKey::load_or_create(folder).unwrap());
        let access = Arc::new(AccessStore::default());
        let executor = executor(&cache, &authority, &key, &access, setting.audit);
        let admin = authority.issue_client("gantry-admin", Some("system:masters"), Validity::days(now, 1)).unwrap();
        let (handle, address) = serve(&executor, &authority, &key, listen, setting.dial, &shutdown);
        fill(&executor, &access, &authority, address, &shutdown).await;
        Self { address, executor, cache, authority, admin, shutdown, handle }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// For kubectl and the corpus.
    pub fn kubeconfig(&self) -> String {
        let authority = self.authority.certificate_pem();
        kubeconfig("test", &self.url(""), authority, "admin", &Credentials::ClientCertificate(&self.admin))
    }
}

fn executor(
    cache: &Arc<WatchCache>,
    authority: &CertificateAuthority,
    key: &Arc<SigningKey>,
    access: &Arc<AccessStore>,
    audit: Option<Arc<AuditLog>>,
) -> Executor {
    let accounts = Arc::new(CachedAccounts::new(cache.clone()));
    let verifier = TokenVerifier::new(vec![key.clone()], token::DEFAULT_ISSUER, accounts);
    let certificates = ClientCertificates::new(authority.certificate_pem()).unwrap();
    let audiences = vec![token::DEFAULT_ISSUER.to_owned()];
    let authenticator = Authenticator::new(certificates, verifier, access.clone(), audiences.clone());
    Executor::new(ExecutorParts {
        catalog: gantry_kinds::catalog().clone(),
        cache: cache.clone(),
        authorizer: Arc::new(AuthorizerChain::new(access.clone())),
        authenticator: Arc::new(authenticator),
        tokens: ServiceTokens { issuer: Arc::new(TokenIssuer::new(key.clone(), token::DEFAULT_ISSUER)), audiences },
        service_types: Arc::new(KnownServiceTypes),
        service_pools: ServicePools::default(),
        audit,
    })
}

fn serve(
    executor: &Executor,
    authority: &CertificateAuthority,
    key: &SigningKey,
    listen: SocketAddr,
    dial: Option<Arc<dyn Dial>>,
    shutdown: &CancellationToken,
) -> (RestHandle, SocketAddr) {
    let validity = Validity::days(Timestamp::now(), 1);
    let names = ["localhost".to_owned(), "kubernetes.default.svc".to_owned()];
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let certificate = authority.issue_server("gantry", &names, &addresses, validity).unwrap();
    let clients = ClientCertificates::new(authority.certificate_pem()).unwrap();
    let tls = pki::server_config(RotatingCertificate::new(&certificate).unwrap(), Some(&clients)).unwrap();
    let dial = dial.unwrap_or_else(|| {
        let identity = authority.issue_client("kube-apiserver-kubelet-client", Some("system:masters"), validity);
        let client = pki::client_config(authority.certificate_pem(), Some(&identity.unwrap())).unwrap();
        Arc::new(NodeDialer::new(Arc::new(client), Arc::new(OwnNetwork)))
    });
    let config = RestConfig {
        metrics: prometheus::Registry::new(),
        listen: vec![listen],
        tls: Arc::new(tls),
        workers: 2,
        advertised: listen.to_string(),
        jwks: token::jwks_document([key]),
        openid_configuration: token::openid_configuration(token::DEFAULT_ISSUER, "https://localhost/openid/v1/jwks"),
        dial,
    };
    let handle = gantry_rest::serve(config, executor.clone(), shutdown.clone()).unwrap();
    let address = handle.addresses()[0];
    (handle, address)
}

/// The objects that every cluster has, and the access store fed from them.
async fn fill(
    executor: &Executor,
    access: &Arc<AccessStore>,
    authority: &CertificateAuthority,
    address: SocketAddr,
    shutdown: &CancellationToken,
) {
    let source: Arc<dyn ObjectSource> = reconcile(executor, authority, address).await;
    feed::follow(&source, access, shutdown).synced().await;
}

/// One pass over the objects that every cluster has.
pub async fn reconcile(executor: &Executor, authority: &CertificateAuthority, address: SocketAddr) -> Arc<LocalClient> {
    let local = Arc::new(LocalClient::new(executor.clone(), UserInfo::loopback(), "bootstrap"));
    let facts = ClusterFacts {
        service_cidr: "10.96.0.0/16".into(),
        api_service_address: "10.96.0.1".into(),
        dns_service_address: "10.96.0.10".into(),
        advertised: SocketAddr::from(([192, 0, 2, 1], address.port())),
        authority_pem: authority.certificate_pem().to_owned(),
    };
    bootstrap::reconcile(&*local, &*local, &facts).await.unwrap();
    local
}

/// What the first-party plugins of the service types do, as far as tests of the API need it.
struct KnownServiceTypes;

fn member<'a>(service: &'a Object, name: &str) -> Option<&'a Value> {
    service.get("spec")?.get(name)
}

fn type_of(service: &Object) -> &str {
    member(service, "type").and_then(Value::as_str).unwrap_or_default()
}

#[async_trait]
impl ServiceTypes for KnownServiceTypes {
    async fn validate(&self, _old: Option<&Object>, new: &Object) -> Result<Vec<Cause>, Status> {
        let known = ["ClusterIP", "NodePort", "ExternalName", "LoadBalancer"];
        let path = FieldPath::of("spec.type");
        let given = type_of(new);
        Ok(if known.contains(&given) { Vec::new() } else { vec![Cause::not_supported(&path, given, &known)] })
    }

    async fn allocate(&self, _old: Option<&Object>, new: &Object) -> Result<Vec<PoolClaim>, Status> {
        let mut claims = Vec::new();
        let address = member(new, "clusterIP").and_then(Value::as_str).unwrap_or_default();
        if type_of(new) != "ExternalName" && address != "None" {
            claims.push(PoolClaim {
                pool: POOL_CLUSTER_IPS.into(),
                want: address.into(),
                fields: vec!["/spec/clusterIP".into(), "/spec/clusterIPs/0".into()],
            });
        }
        if matches!(type_of(new), "NodePort" | "LoadBalancer") {
            let ports = member(new, "ports").and_then(Value::as_array).into_iter().flatten();
            claims.extend(ports.enumerate().map(|(at, port)| {
                let wanted = port.get("nodePort").and_then(Value::as_u64).filter(|port| *port != 0);
                let pool = POOL_NODE_PORTS.to_owned();
                let want = wanted.map(|port| port.to_string()).unwrap_or_default();
                PoolClaim { pool, want, fields: vec![format!("/spec/ports/{at}/nodePort")] }
            }));
        }
        Ok(claims)
    }
}
