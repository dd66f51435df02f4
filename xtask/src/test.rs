//! Everything that CI checks, in the order that finds mistakes soonest.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    artifacts::{self, Profile},
    clients, compose, dependencies, images, kubectl, packages, shell, tidy,
};

pub fn run(arguments: &[String]) -> Result<()> {
    let filter = arguments.first().map(String::as_str);
    packages::install_missing()?;
    if filter.is_none() {
        checks()?;
    }
    let built = artifacts::build(Profile::Debug)?;
    images::build(&artifacts::target_dir()?.join("images"))?;
    let kubectl = kubectl::ensure()?;
    let clients = clients::prepare()?;
    let mut failed = Vec::new();
    // Whole clusters are started by the tests package: it goes last and has the machine to itself.
    for (what, scope) in [
        ("unit and integration tests", ["--workspace", "--exclude=gantry-tests"].as_slice()),
        ("clusters", &["--package=gantry-tests"]),
    ] {
        shell::step(what);
        let mut tests = shell::cargo(&["test", "--quiet", "--no-fail-fast"]);
        tests.args(scope).env("GANTRY_BIN_DIR", &built).env("GANTRY_CLIENTS", &clients);
        extend_path(&mut tests, kubectl.as_deref());
        if let Some(filter) = filter {
            tests.args(["--", filter]);
        }
        if shell::run(&mut tests).is_err() {
            failed.push(what);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("all tests passed");
    Ok(())
}

fn checks() -> Result<()> {
    shell::step("format");
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
    shell::step("imports");
    tidy::run()?;
    shell::step("dependencies");
    dependencies::run()?;
    shell::step("compose file");
    compose::run()?;
    shell::step("clippy");
    shell::run(&mut shell::cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn extend_path(command: &mut Command, dir: Option<&std::path::Path>) {
    if let Some(dir) = dir {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", dir.display()));
    }
}
