//! `gantry admin token`: tokens of service accounts, and those that nodes join with.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use gantry_auth::{
    kubeconfig::{Credentials, kubeconfig},
    signing::GROUP_JOINING_NODES,
};
use gantry_base::DataDir;
use gantry_client::{ClientConfig, RestClient};
use gantry_meta::{GroupVersionResource, time};
use gantry_runtime::{ObjectSink, WriteTarget};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    cli::{TokenArgs, TokenOutput},
    say,
};

const ACCOUNT_SECONDS: u32 = 3600;
const NODE_SECONDS: u32 = 24 * 3600;

pub fn run(arguments: &TokenArgs) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let dir = DataDir::new(&arguments.data_dir)?;
        let path = dir.kubeconfig();
        if !path.is_file() {
            bail!("{} is missing: is a cluster running from this data folder?", path.display());
        }
        let config = ClientConfig::from_kubeconfig(&path, None)?;
        let client = RestClient::new(config.clone())?;
        let (user, token) = match &arguments.name {
            Some(account) => (account.clone(), account_token(&client, arguments, account).await?),
            None => ("bootstrap".to_owned(), node_token(&client, arguments).await?),
        };
        let server = arguments.server.as_deref().unwrap_or(&config.server);
        match arguments.output {
            TokenOutput::Token => say::line(token),
            TokenOutput::Kubeconfig => {
                print!("{}", kubeconfig("gantry", server, &config.authority_pem, &user, &Credentials::Token(&token)));
            }
        }
        Ok(())
    })
}

async fn account_token(client: &RestClient, arguments: &TokenArgs, account: &str) -> Result<String> {
    let accounts = GroupVersionResource::new("", "v1", "serviceaccounts");
    let target = WriteTarget::new(&accounts, &arguments.namespace, account).subresource("token");
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": arguments.expiration_seconds.unwrap_or(ACCOUNT_SECONDS)},
    });
    let answer = client.create(&target, Bytes::from(body.to_string())).await?;
    let answer: Value = serde_json::from_slice(&answer.json)?;
    Ok(answer["status"]["token"].as_str().context("the server answered without a token")?.to_owned())
}

/// Makes a bootstrap token (`ID.SECRET`), which is a Secret in `kube-system`.
async fn node_token(client: &RestClient, arguments: &TokenArgs) -> Result<String> {
    let (id, secret) = (random_text(6), random_text(16));
    let life = SignedDuration::from_secs(arguments.expiration_seconds.unwrap_or(NODE_SECONDS).into());
    let secrets = GroupVersionResource::new("", "v1", "secrets");
    let name = format!("bootstrap-token-{id}");
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "description": "gantry admin token --node",
            "token-id": id,
            "token-secret": secret,
            "expiration": time::format_time(Timestamp::now() + life),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": GROUP_JOINING_NODES,
        },
    });
    client.create(&WriteTarget::new(&secrets, "kube-system", &name), Bytes::from(body.to_string())).await?;
    Ok(format!("{id}.{secret}"))
}

/// Lower-case letters and digits, each equally likely, from the operating system's random source.
fn random_text(length: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}
