//! What a control plane is told.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use gantry_base::DataDir;
use gantry_registry::bootstrap;

use super::{API_SERVICE_ADDRESS, DNS_SERVICE_ADDRESS, SERVICE_CIDR};

/// A part of a control plane that a process may run, or leave to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    Api,
    Scheduler,
    Controllers,
}

#[derive(Clone, Debug)]
pub struct ControlPlaneConfig {
    pub dir: DataDir,
    /// The first is the one that users are told.
    pub listen: Vec<SocketAddr>,
    pub grpc_listen: Vec<SocketAddr>,
    pub database_url: String,
    /// How long a database that is not there is waited for; `None`: as long as it takes.
    pub database_patience: Option<Duration>,
    pub roles: Vec<Role>,
    /// Where pods and nodes reach the API.
    pub advertise: IpAddr,
    /// More names for the serving certificate.
    pub names: Vec<String>,
    pub plugin_dir: PathBuf,
    /// The network namespace that pods are reached from, if it is not the process' own.
    pub pods_within: Option<PathBuf>,
    pub audit: Option<AuditConfig>,
}

/// What is recorded of requests, and where.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    pub policy_file: PathBuf,
    /// `-`: standard output.
    pub log: PathBuf,
}

impl ControlPlaneConfig {
    pub fn runs(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub fn port(&self) -> u16 {
        self.listen.first().map_or(0, SocketAddr::port)
    }

    /// What users connect to: the address listened on, or this machine's loopback where that is all of them.
    pub fn user_address(&self) -> SocketAddr {
        let first = self.listen.first().map_or(self.advertise, SocketAddr::ip);
        let ip = if first.is_unspecified() { self.advertise } else { first };
        SocketAddr::new(ip, self.port())
    }

    pub fn bootstrap_facts(&self, authority_pem: &str) -> bootstrap::ClusterFacts {
        bootstrap::ClusterFacts {
            service_cidr: SERVICE_CIDR.into(),
            api_service_address: API_SERVICE_ADDRESS.into(),
            dns_service_address: DNS_SERVICE_ADDRESS.into(),
            advertised: SocketAddr::new(self.advertise, self.port()),
            authority_pem: authority_pem.into(),
        }
    }
}
