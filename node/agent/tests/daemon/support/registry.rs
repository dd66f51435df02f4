//! A registry on loopback that serves one image, to those who know its password (OCI distribution specification).

use std::{collections::HashMap, net::Ipv4Addr, path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path as Segments, State},
    http::{HeaderMap, Response, StatusCode, header},
    routing::get,
};
use parking_lot::Mutex;
use serde_json::Value;

/// `user:password`, as HTTP's basic authentication spells it.
const BASIC: &str = "Basic dXNlcjpwYXNzd29yZA==";
pub const USER: &str = "user";
pub const PASSWORD: &str = "password";

struct Content {
    /// Manifests and layers by digest.
    blobs: HashMap<String, Vec<u8>>,
    media_type: String,
    manifest: String,
    manifests_asked: Mutex<usize>,
}

/// Serves until dropped.
pub struct Registry {
    pub address: String,
    content: Arc<Content>,
    server: tokio::task::JoinHandle<()>,
}

impl Registry {
    /// Serves the image of an OCI archive under every name and tag.
    pub async fn start(archive: &Path) -> Self {
        let content = Arc::new(Content::read(archive));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let routes = Router::new().route("/v2/", get(base)).route("/v2/{*path}", get(item)).with_state(content.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, content, server }
    }

    /// How often somebody with the password asked for a manifest by its tag.
    pub fn pulls(&self) -> usize {
        *self.content.manifests_asked.lock()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Content {
    fn read(archive: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut tar = std::process::Command::new("tar");
        let status = tar.arg("-xf").arg(archive).arg("-C").arg(folder.path()).status().expect("tar runs");
        assert!(status.success(), "tar: {status}");
        let index = std::fs::read(folder.path().join("index.json")).expect("an OCI archive has an index");
        let index: Value = serde_json::from_slice(&index).expect("JSON");
        let text = |name: &str| index["manifests"][0][name].as_str().expect("a descriptor").to_owned();
        let blobs = std::fs::read_dir(folder.path().join("blobs/sha256")).expect("blobs");
        let blobs = blobs.map(|entry| {
            let entry = entry.expect("readable");
            let digest = format!("sha256:{}", entry.file_name().to_string_lossy());
            (digest, std::fs::read(entry.path()).expect("readable"))
        });
        Self {
            blobs: blobs.collect(),
            media_type: text("mediaType"),
            manifest: text("digest"),
            manifests_asked: Mutex::default(),
        }
    }
}

fn knows_the_password(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value == BASIC)
}

fn answer(status: StatusCode) -> Response<Body> {
    let challenge = Response::builder().status(status).header(header::WWW_AUTHENTICATE, "Basic realm=\"test\"");
    challenge.body(Body::empty()).expect("a response")
}

async fn base(headers: HeaderMap) -> Response<Body> {
    answer(if knows_the_password(&headers) { StatusCode::OK } else { StatusCode::UNAUTHORIZED })
}

/// `NAME/manifests/REFERENCE` or `NAME/blobs/DIGEST`; HEAD is answered as GET without its body.
async fn item(
    State(content): State<Arc<Content>>,
    Segments(path): Segments<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if !knows_the_password(&headers) {
        return answer(StatusCode::UNAUTHORIZED);
    }
    let (before, reference) = path.rsplit_once('/').unwrap_or(("", &path));
    let is_manifest = before.ends_with("/manifests");
    let digest = if reference.starts_with("sha256:") { reference } else { &content.manifest };
    if is_manifest && digest != reference {
        *content.manifests_asked.lock() += 1;
    }
    let Some(bytes) = content.blobs.get(digest) else { return answer(StatusCode::NOT_FOUND) };
    let media_type = if is_manifest { content.media_type.as_str() } else { "application/octet-stream" };
    let response = Response::builder().header(header::CONTENT_TYPE, media_type).header("Docker-Content-Digest", digest);
    response.body(Body::from(bytes.clone())).expect("a response")
}
