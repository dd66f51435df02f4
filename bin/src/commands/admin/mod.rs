//! Credentials: certificates from the data folder's authority, tokens from the running API.

mod token;

use anyhow::{Context, Result, bail};
use gantry_auth::{
    kubeconfig::{Credentials, kubeconfig},
    pki::{CertificateAuthority, Validity},
};
use gantry_base::DataDir;
use jiff::Timestamp;

use crate::cli::AdminCommand;

pub fn run(command: &AdminCommand) -> Result<()> {
    match command {
        AdminCommand::Kubeconfig { data_dir, user, group, days, server } => {
            let dir = DataDir::new(data_dir)?;
            let server = server.clone().map_or_else(|| server_of(&dir), Ok)?;
            print!("{}", new_kubeconfig(&dir, &server, user, group.as_deref(), *days)?);
            Ok(())
        }
        AdminCommand::Token(arguments) => token::run(arguments),
    }
}

/// A kubeconfig for a new client certificate of the authority in `dir`, for `server`.
fn new_kubeconfig(dir: &DataDir, server: &str, user: &str, group: Option<&str>, days: u16) -> Result<String> {
    if !dir.pki().join("ca.crt").is_file() {
        bail!("{} has no certificate authority: start the server first", dir.pki().display());
    }
    let now = Timestamp::now();
    let authority = CertificateAuthority::load_or_create(&dir.pki(), now)?;
    let certificate = authority.issue_operator(user, group, Validity::days(now, days))?;
    Ok(kubeconfig("gantry", server, authority.certificate_pem(), user, &Credentials::ClientCertificate(&certificate)))
}

/// The server that the administrator's kubeconfig names.
fn server_of(dir: &DataDir) -> Result<String> {
    let path = dir.kubeconfig();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: serde_json::Value =
        gantry_codec::parse_untyped(text.as_bytes(), gantry_codec::Format::Yaml).map_err(anyhow::Error::msg)?.0;
    let server = config["clusters"][0]["cluster"]["server"].as_str();
    Ok(server.with_context(|| format!("{} names no server", path.display()))?.to_owned())
}
