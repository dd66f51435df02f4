//! Where the server is, whom to trust, and who we are.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ConfigError;

/// A client certificate.
#[derive(Clone, Debug, Default)]
pub enum Identity {
    #[default]
    None,
    Pem {
        certificate: String,
        key: String,
    },
    /// Read again for new connections, so that a rotated certificate is taken up.
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
}

impl Identity {
    /// Certificate and key, PEM.
    pub(crate) fn read(&self) -> Result<Option<(String, String)>, ConfigError> {
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })
        };
        Ok(match self {
            Self::None => None,
            Self::Pem { certificate, key } => Some((certificate.clone(), key.clone())),
            Self::Files { certificate, key } => Some((text(certificate)?, text(key)?)),
        })
    }
}

/// A bearer token.
#[derive(Clone, Debug, Default)]
pub enum Token {
    #[default]
    None,
    Fixed(String),
    /// Read again every minute: a projected token is replaced before it ends.
    File(Arc<TokenFile>),
}

impl Token {
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(Arc::new(TokenFile { path: path.into(), read: Mutex::new(None) }))
    }

    /// The token to send now; `None` where there is none, or its file cannot be read.
    pub(crate) fn current(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Fixed(token) => Some(token.clone()),
            Self::File(file) => file.current(),
        }
    }
}

#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Instant, String)>>,
}

impl TokenFile {
    fn current(&self) -> Option<String> {
        const FRESH_FOR: Duration = Duration::from_secs(60);
        let mut read = self.read.lock();
        if let Some((at, token)) = &*read
            && at.elapsed() < FRESH_FOR
        {
            return Some(token.clone());
        }
        match fs::read_to_string(&self.path) {
            Ok(text) => *read = Some((Instant::now(), text.trim().to_owned())),
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "the token file cannot be read"),
        }
        read.as_ref().map(|(_, token)| token.clone())
    }
}

/// All that a client needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `https://HOST[:PORT]`, without a path.
    pub server: String,
    /// PEM certificates of the authorities to trust.
    pub authority_pem: String,
    /// The name that the server's certificate must have, where it is not the host of `server`.
    pub server_name: Option<String>,
    pub identity: Identity,
    pub token: Token,
    /// `User-Agent`; what stands before the first `/` becomes the field manager of writes.
    pub user_agent: String,
    /// For everything but watches and streams.
    pub timeout: Duration,
}

impl ClientConfig {
    pub fn new(server: &str, authority_pem: &str) -> Self {
        Self {
            server: server.trim_end_matches('/').to_owned(),
            authority_pem: authority_pem.to_owned(),
            server_name: None,
            identity: Identity::None,
            token: Token::None,
            user_agent: concat!("gantry/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
        }
    }

    /// Reads a kubeconfig (YAML or JSON) and takes its current context, or the one named.
    pub fn from_kubeconfig(path: &Path, context: Option<&str>) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        crate::kubeconfig::parse(&text, path.parent().unwrap_or(Path::new(".")), context)
    }

    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    #[must_use]
    pub fn user_agent(mut self, user_agent: &str) -> Self {
        user_agent.clone_into(&mut self.user_agent);
        self
    }
}
