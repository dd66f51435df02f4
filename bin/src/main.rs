//! `gantry`: the composition root. Each command's module wires parts together and does nothing else.

mod cli;
mod commands;
mod config_file;
mod control_plane;
mod instance;
mod node;
mod node_ready;
mod object_wait;
mod plugin_folder;
mod progress;
mod say;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, Command};

/// Requests make and drop many small things on several threads, at which glibc's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            eprintln!("gantry: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> anyhow::Result<Cli> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = Cli::command();
    if let Some(file) = config_file::path_given(&arguments) {
        command = config_file::apply(command, &arguments, &file)?;
    }
    // Help, version and usage errors print themselves and end the process with clap's exit codes.
    let matches = command.get_matches_from(arguments);
    Ok(Cli::from_arg_matches(&matches)?)
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gantry", &mut std::io::stdout());
            Ok(())
        }
        Command::Up(arguments) => commands::up::run(&arguments, &cli.telemetry),
        Command::Down(arguments) => commands::down::run(&arguments),
        Command::Server(arguments) => commands::server::run(&arguments, &cli.telemetry),
        Command::Node(arguments) => commands::node::run(&arguments, &cli.telemetry),
        Command::Plugin(command) => commands::plugin::run(&command),
        Command::Admin(command) => commands::admin::run(&command),
    }
}
