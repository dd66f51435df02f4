//! How a node gets its credentials: it asks for certificates with a bootstrap token, keeps them in its data folder, and asks
//! for new ones with the old before they end. Nothing but the bootstrap kubeconfig has to be brought to the machine.

mod request;
mod serving;
mod stored;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gantry_auth::{
    UserInfo,
    kubeconfig::{Credentials, kubeconfig},
    pki::NewRequest,
    signing::USER_KUBE_PROXY,
    user::{GROUP_NODES, node_user_name},
};
use gantry_base::data_dir::write_atomically;
use gantry_client::ClientConfig;
use jiff::Timestamp;
use serde_json::Value;

use request::{Asked, Requester};
pub use serving::serve;
use stored::{State, Stored};

/// A certificate that is due but could not be replaced, or that a wrong clock takes for due, is not asked for more often.
const LEAST_PAUSE: Duration = Duration::from_secs(60);
const KUBECONFIG: &str = "kubeconfig";

/// What a joined node acts with.
pub struct Joined {
    pub kubeconfig: PathBuf,
    pub proxy_kubeconfig: PathBuf,
    /// When the first of its certificates should be replaced.
    pub renew_at: Timestamp,
}

/// The name under which a node with this data folder joined; `None`: it did not.
pub fn node_name(data_dir: &Path) -> Option<String> {
    let text = std::fs::read(data_dir.join(KUBECONFIG)).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    let user = UserInfo::new(config["users"][0]["name"].as_str()?, &[GROUP_NODES]);
    user.node_name().map(str::to_owned)
}

/// How long to wait before certificates are asked for that should be replaced then.
pub fn pause_until(renew_at: Timestamp) -> Duration {
    Duration::try_from(renew_at.duration_since(Timestamp::now())).unwrap_or_default().max(LEAST_PAUSE)
}

/// Makes sure that there are credentials, asking for what is missing or about to end. `bootstrap` is needed only while
/// there are none that hold. Waits for as long as nobody approves.
///
/// # Errors
/// If there is no way to ask, or the requests are denied.
pub async fn join(node: &str, data_dir: &Path, bootstrap: Option<&ClientConfig>) -> Result<Joined> {
    let member = |file: &str| data_dir.join(file);
    let (own, proxy) = (Stored::at(&member("pki/node.pem")), Stored::at(&member("pki/proxy.pem")));
    let joined = Joined {
        kubeconfig: member(KUBECONFIG),
        proxy_kubeconfig: member("proxy.kubeconfig"),
        renew_at: Timestamp::MAX,
    };
    let user = node_user_name(node);
    let ask = || Ok(Asked::node_client(NewRequest::client(&user, Some(GROUP_NODES))?));
    renew(&own, &joined.kubeconfig, bootstrap, ask).await.context("the node's certificate")?;
    write_kubeconfig(&joined.kubeconfig, &user, &own, bootstrap)?;

    let ask = || Ok(Asked::client(NewRequest::client(USER_KUBE_PROXY, None)?));
    renew(&proxy, &joined.kubeconfig, None, ask).await.context("the service proxy's certificate")?;
    let server = ClientConfig::from_kubeconfig(&joined.kubeconfig, None)?;
    write_kubeconfig(&joined.proxy_kubeconfig, USER_KUBE_PROXY, &proxy, Some(&server))?;
    let renew_at = own.renew_at()?.min(proxy.renew_at()?);
    Ok(Joined { renew_at, ..joined })
}

/// Replaces a certificate that is missing, over or nearly so. One that still holds is kept where asking fails.
async fn renew(
    stored: &Stored,
    own_kubeconfig: &Path,
    bootstrap: Option<&ClientConfig>,
    ask: impl Fn() -> Result<Asked>,
) -> Result<()> {
    let state = stored.state(Timestamp::now());
    if state == State::Holds {
        return Ok(());
    }
    let client = match bootstrap {
        Some(bootstrap) if state == State::Missing => bootstrap.clone(),
        _ if own_kubeconfig.is_file() => ClientConfig::from_kubeconfig(own_kubeconfig, None)?,
        Some(bootstrap) => bootstrap.clone(),
        None => bail!("there is none yet: name a --bootstrap-kubeconfig (`gantry admin token --node` makes one)"),
    };
    let answered = Requester::new(client)?.obtain(ask()?).await;
    match answered {
        Ok(certificate) => stored.write(&certificate),
        Err(error) if state == State::Ends => {
            tracing::warn!("a certificate that ends soon could not be replaced yet: {error:#}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Without a `server` (not joining now) the file that stands is kept.
fn write_kubeconfig(path: &Path, user: &str, stored: &Stored, server: Option<&ClientConfig>) -> Result<()> {
    let Some(server) = server else { return Ok(()) };
    let credentials = Credentials::File(stored.path());
    let text = kubeconfig("gantry", &server.server, &server.authority_pem, user, &credentials);
    write_atomically(path, text.as_bytes(), 0o600).with_context(|| format!("cannot write {}", path.display()))
}
