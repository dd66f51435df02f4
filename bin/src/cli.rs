//! The command line. Every flag is also a `GANTRY_*` variable and a key of the YAML file that `--config` names; a flag wins
//! over the variable, the variable over the file, the file over the default.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use gantry_base::{DataDir, telemetry::TelemetryOptions};

#[derive(Debug, Parser)]
#[command(
    name = "gantry",
    version,
    about = "A container platform that speaks the Kubernetes API",
    propagate_version = true
)]
pub struct Cli {
    /// A YAML file whose keys are the long names of the command's flags
    #[arg(long, global = true, env = "GANTRY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub struct TelemetryArgs {
    /// What is logged, as tracing directives
    #[arg(long, global = true, env = "GANTRY_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log one JSON object a line
    #[arg(long, global = true, env = "GANTRY_LOG_JSON")]
    pub log_json: bool,
    /// Send traces to this OTLP/gRPC collector
    #[arg(long, global = true, env = "GANTRY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl TelemetryArgs {
    /// For a process that calls itself `service`; logs go to standard error.
    pub fn options(&self, service: &'static str) -> TelemetryOptions {
        TelemetryOptions {
            service,
            filter: self.log.clone(),
            json: self.log_json,
            file: None,
            otlp_endpoint: self.otlp_endpoint.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: database, control plane, node
    Up(UpArgs),
    /// Stop what `up` started
    Down(DownArgs),
    /// Run the control plane
    Server(ServerArgs),
    /// Run the node daemon
    Node(NodeArgs),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Credentials
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print a shell's completions
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// The folder that holds everything
    #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the API is served
    #[arg(long, env = "GANTRY_LISTEN", default_value = "0.0.0.0:6443", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// A PostgreSQL 15 or later to use instead of one in the data folder
    #[arg(long, env = "GANTRY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Run this many nodes, each in namespaces of its own; the machine's own network and containerd stay untouched
    #[arg(long, env = "GANTRY_NODES", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub nodes: Option<u8>,
    /// Run the control plane only
    #[arg(long, env = "GANTRY_NO_NODE", conflicts_with = "nodes")]
    pub no_node: bool,
    /// Return when the node is Ready
    #[arg(long, env = "GANTRY_DETACH")]
    pub detach: bool,
    /// Report steps as JSON lines (how `--detach` follows its child)
    #[arg(long, hide = true)]
    pub report_json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// The folder that `up` was given
    #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Leave containers and their containerd running
    #[arg(long, env = "GANTRY_KEEP_PODS")]
    pub keep_pods: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    Api,
    Scheduler,
    Controllers,
}

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Certificates, plugins and logs
    #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the API is served
    #[arg(long, env = "GANTRY_LISTEN", default_value = "0.0.0.0:6443", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Where gRPC is served; by default the API's port plus one
    #[arg(long, env = "GANTRY_GRPC_LISTEN", value_name = "ADDR:PORT")]
    pub grpc_listen: Option<SocketAddr>,
    /// The PostgreSQL (15 or later) that holds the state
    #[arg(long, env = "GANTRY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: String,
    /// What this process runs
    #[arg(long, env = "GANTRY_ROLES", value_enum, value_delimiter = ',', default_value = "api,scheduler,controllers")]
    pub roles: Vec<Role>,
    /// The address that clients and nodes reach the API at; by default the one listened on, or the machine's own
    #[arg(long, env = "GANTRY_ADVERTISE_ADDRESS", value_name = "IP")]
    pub advertise_address: Option<std::net::IpAddr>,
    /// More names and addresses for the serving certificate
    #[arg(long, env = "GANTRY_TLS_SAN", value_name = "NAME", value_delimiter = ',')]
    pub tls_san: Vec<String>,
    /// Load first-party plugins from this folder; by default the one that holds the gantry binary
    #[arg(long, env = "GANTRY_PLUGIN_DIR", value_name = "DIR")]
    pub plugin_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// The folder that holds the node's containerd, pods and volumes
    #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The node's name; by default the host name
    #[arg(long, env = "GANTRY_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,
    /// The address other nodes and the API server reach this node at
    #[arg(long, env = "GANTRY_NODE_IP", value_name = "IP")]
    pub node_ip: Option<std::net::IpAddr>,
    /// Credentials of the node (user `system:node:NAME`, group `system:nodes`)
    #[arg(long, env = "GANTRY_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: PathBuf,
    /// Credentials of the service proxy and DNS (user `system:kube-proxy`); by default the node's own, which then needs the
    /// rights of a service proxy
    #[arg(long, env = "GANTRY_PROXY_KUBECONFIG", value_name = "FILE")]
    pub proxy_kubeconfig: Option<PathBuf>,
    /// Where the API server offers gRPC; without it the node speaks REST, as to any Kubernetes
    #[arg(long, env = "GANTRY_GRPC_SERVER", value_name = "HOST:PORT")]
    pub grpc_server: Option<String>,
    /// A containerd that runs already; by default the node runs one of its own
    #[arg(long, env = "GANTRY_CONTAINERD_SOCKET", value_name = "SOCKET")]
    pub containerd_socket: Option<PathBuf>,
    /// OCI and docker archives in this folder are imported, at start and when they appear
    #[arg(long, env = "GANTRY_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Where the kubelet API is served
    #[arg(long, env = "GANTRY_KUBELET_PORT", default_value_t = 10250, value_name = "PORT")]
    pub kubelet_port: u16,
    /// The certificate of the kubelet API
    #[arg(long, env = "GANTRY_KUBELET_CERTIFICATE", value_name = "FILE")]
    pub kubelet_certificate: PathBuf,
    /// The key of the kubelet API's certificate
    #[arg(long, env = "GANTRY_KUBELET_KEY", value_name = "FILE")]
    pub kubelet_key: PathBuf,
    /// Load service-type plugins from this folder; by default the one that holds the gantry binary
    #[arg(long, env = "GANTRY_PLUGIN_DIR", value_name = "DIR")]
    pub plugin_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins of a running cluster
    List {
        #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Say whether a file would be loaded, and if not why
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Print a kubeconfig with a new client certificate
    Kubeconfig {
        #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
        data_dir: PathBuf,
        /// The user the certificate names
        #[arg(long, default_value = "kubernetes-admin")]
        user: String,
        /// The group the certificate names
        #[arg(long, default_value = "system:masters")]
        group: Option<String>,
        /// How long the certificate is valid
        #[arg(long, default_value_t = 365, value_name = "DAYS")]
        days: u16,
    },
    /// Print a token of a service account
    Token {
        #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
        data_dir: PathBuf,
        #[arg(long, default_value = "default")]
        namespace: String,
        /// The service account
        #[arg(value_name = "SERVICEACCOUNT")]
        name: String,
        /// How long the token is valid
        #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
        expiration_seconds: u32,
    },
}
