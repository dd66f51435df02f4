//! The command line. Every flag is also a `GANTRY_*` variable and a key of the YAML file that `--config` names; a flag wins
//! over the variable, the variable over the file, the file over the default.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use gantry_base::{DataDir, telemetry::TelemetryOptions};

use crate::control_plane::{AuditConfig, Role};

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

/// What is recorded of requests.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// Record requests as this policy (audit.k8s.io/v1) says
    #[arg(long, env = "GANTRY_AUDIT_POLICY_FILE", value_name = "FILE", requires = "audit_log_path")]
    pub audit_policy_file: Option<PathBuf>,
    /// Where audit events are appended, a JSON object a line; - is standard output
    #[arg(long, env = "GANTRY_AUDIT_LOG_PATH", value_name = "FILE", requires = "audit_policy_file")]
    pub audit_log_path: Option<PathBuf>,
}

impl AuditArgs {
    pub fn config(&self) -> Option<AuditConfig> {
        let (policy_file, log) = (self.audit_policy_file.clone()?, self.audit_log_path.clone()?);
        Some(AuditConfig { policy_file, log })
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
    #[command(flatten)]
    pub audit: AuditArgs,
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
    #[command(flatten)]
    pub audit: AuditArgs,
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
    /// Credentials of the node (user `system:node:NAME`, group `system:nodes`); without them the node asks for some, keeps
    /// them in the data folder, and replaces them before they end
    #[arg(long, env = "GANTRY_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What a node joins with that has no credentials yet: `gantry admin token --node` makes such a file
    #[arg(long, env = "GANTRY_BOOTSTRAP_KUBECONFIG", value_name = "FILE", conflicts_with = "kubeconfig")]
    pub bootstrap_kubeconfig: Option<PathBuf>,
    /// The API to join, as https://HOST:PORT, instead of a bootstrap kubeconfig
    #[arg(long, env = "GANTRY_SERVER", value_name = "URL", requires_all = ["certificate_authority", "token"],
        conflicts_with_all = ["kubeconfig", "bootstrap_kubeconfig"])]
    pub server: Option<String>,
    /// The certificate of the authority that the API's certificate is of
    #[arg(long, env = "GANTRY_CERTIFICATE_AUTHORITY", value_name = "FILE", requires = "server")]
    pub certificate_authority: Option<PathBuf>,
    /// The bootstrap token to join with
    #[arg(long, env = "GANTRY_TOKEN", value_name = "TOKEN", requires = "server", hide_env_values = true)]
    pub token: Option<String>,
    /// Credentials of the service proxy and DNS (user `system:kube-proxy`); by default a node that joined asks for them, any
    /// other uses its own, which then need the rights of a service proxy
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
    /// The certificate of the kubelet API; by default the cluster is asked for one
    #[arg(long, env = "GANTRY_KUBELET_CERTIFICATE", value_name = "FILE", requires = "kubelet_key")]
    pub kubelet_certificate: Option<PathBuf>,
    /// The key of the kubelet API's certificate
    #[arg(long, env = "GANTRY_KUBELET_KEY", value_name = "FILE", requires = "kubelet_certificate")]
    pub kubelet_key: Option<PathBuf>,
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
        #[arg(long, env = "GANTRY_USER", default_value = "kubernetes-admin")]
        user: String,
        /// The group the certificate names
        #[arg(long, env = "GANTRY_GROUP", default_value = "system:masters")]
        group: Option<String>,
        /// How long the certificate is valid
        #[arg(long, env = "GANTRY_DAYS", default_value_t = 365, value_name = "DAYS")]
        days: u16,
        /// The API's address; by default that of the administrator's kubeconfig
        #[arg(long, env = "GANTRY_SERVER", value_name = "URL")]
        server: Option<String>,
    },
    /// Print a token: of a service account, or one that a node joins with
    Token(TokenArgs),
}

#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The data folder of the cluster, which must be running
    #[arg(long, env = "GANTRY_DATA_DIR", default_value = DataDir::DEFAULT, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The service account's namespace
    #[arg(long, env = "GANTRY_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// The service account
    #[arg(value_name = "SERVICEACCOUNT", required_unless_present = "node", conflicts_with = "node")]
    pub name: Option<String>,
    /// Make a token with which nodes join, instead of a service account's
    #[arg(long, env = "GANTRY_NODE")]
    pub node: bool,
    /// How long the token is valid; by default an hour, and a day for one that nodes join with
    #[arg(long, env = "GANTRY_EXPIRATION_SECONDS", value_name = "SECONDS")]
    pub expiration_seconds: Option<u32>,
    /// Print the bare token, or a kubeconfig with it
    #[arg(long, env = "GANTRY_OUTPUT", value_enum, default_value = "token")]
    pub output: TokenOutput,
    /// The API's address in the kubeconfig; by default that of the administrator's
    #[arg(long, env = "GANTRY_SERVER", value_name = "URL")]
    pub server: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TokenOutput {
    Token,
    Kubeconfig,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use gantry_codec::{Format, parse_untyped};

    use super::*;

    /// Visits every command with the words that lead to it.
    fn every_command(command: &clap::Command, path: &str, see: &mut impl FnMut(&clap::Command, &str)) {
        let path = format!("{path} {}", command.get_name());
        see(command, &path);
        command.get_subcommands().for_each(|inner| every_command(inner, &path, see));
    }

    #[test]
    fn every_flag_is_a_variable_too() {
        every_command(&Cli::command(), "", &mut |command, path| {
            let flags = command.get_arguments().filter(|a| a.get_long().is_some() && !a.is_hide_set());
            for flag in flags.filter(|a| !matches!(a.get_id().as_str(), "help" | "version")) {
                let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(variable.starts_with("GANTRY_"), "{path} --{}: {variable:?}", flag.get_id());
            }
        });
    }

    #[test]
    fn every_command_and_flag_says_what_it_is() {
        every_command(&Cli::command(), "", &mut |command, path| {
            assert!(command.get_about().is_some(), "{path}");
            for flag in command.get_arguments() {
                let described =
                    flag.get_help().is_some() || matches!(flag.get_id().as_str(), "shell" | "data_dir" | "file");
                assert!(described, "{path}: {}", flag.get_id());
            }
        });
    }

    #[test]
    fn the_compose_file_starts_commands_that_there_are() {
        let text = include_str!("../../docker-compose.yml");
        let (file, _) = parse_untyped(text.as_bytes(), Format::Yaml).unwrap();
        let mut started = Vec::new();
        for (name, service) in file["services"].as_object().unwrap() {
            let command: Vec<&str> =
                service["command"].as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect();
            if service["image"] != "gantry:local" || !service["entrypoint"].is_null() {
                continue;
            }
            let given = service["environment"].as_object().into_iter().flatten();
            let flags: Vec<String> = given
                .map(|(variable, value)| {
                    let flag = variable.strip_prefix("GANTRY_").unwrap().to_lowercase().replace('_', "-");
                    format!("--{flag}={}", value.as_str().unwrap())
                })
                .collect();
            let words = ["gantry"].into_iter().chain(command).chain(flags.iter().map(String::as_str));
            let parsed = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{name}: {error}"));
            started.push(format!("{:?}", parsed.command).split('(').next().unwrap().to_owned());
        }
        started.sort();
        assert_eq!(started, ["Node", "Server"]);
    }
}
