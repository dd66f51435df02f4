//! `cargo xtask …`: what a developer, CI and a first-time user call.

mod artifacts;
mod bench;
mod clients;
mod compose;
mod dependencies;
mod fuzz;
mod images;
mod kubectl;
mod openapi;
mod packages;
mod shell;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  up [-- ARGS]       installs what is missing, builds, runs `gantry up ARGS`
  test [FILTER]      installs what is missing, checks and tests everything; FILTER: only tests whose name contains it
  bench [PART] [--peer-kubeconfig FILE]
                     paired benchmarks; PART: store, api, services (default: all)
  fuzz [TARGET] [SECONDS]
                     hostile input for the decoders, patches and selectors; default: all, 300 s each
  images [DIR]       builds the OCI archives of the examples and tests (default: target/images)
  openapi            writes the published specifications under openapi/ anew
  tidy               checks who imports whom, what is linked (deny.toml), and docker-compose.yml
  install            installs what is missing and nothing else";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match arguments.first().map(String::as_str) {
        Some("up") => up::run(rest),
        Some("test") => test::run(rest),
        Some("bench") => bench::run(rest),
        Some("fuzz") => fuzz::run(rest),
        Some("images") => images::run(rest),
        Some("openapi") => openapi::run(),
        Some("tidy") => tidy::run().and_then(|()| dependencies::run()).and_then(|()| compose::run()),
        Some("install") => packages::install_missing(),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(anyhow::anyhow!(
            "{}\n\n{USAGE}",
            other.map_or("no command".into(), |c| format!("unknown command {c:?}"))
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
