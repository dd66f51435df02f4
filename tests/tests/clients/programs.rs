//! The programs below `tests/clients`, one a language, each in a namespace of its own. `cargo xtask test` makes those ready
//! whose language is on the machine, and says which are not.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use gantry_tests::Cluster;

/// Runs one; `None` of a folder: its language is not on this machine.
fn run(language: &str, command: impl FnOnce(&Path) -> Result<Command>) -> Result<()> {
    let all = std::env::var_os("GANTRY_CLIENTS").context("run these tests with `cargo xtask test`")?;
    let folder = PathBuf::from(all).join(language);
    if !folder.is_dir() {
        eprintln!("{language} is not on this machine: its client was not tested");
        return Ok(());
    }
    let mut command = command(&folder)?;
    command.current_dir(&folder).arg(Cluster::shared_control_plane()?).arg(format!("client-{language}"));
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{language}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    Ok(())
}

#[test]
fn the_python_client_works_needs_python() -> Result<()> {
    run("python", |folder| {
        let mut python = Command::new(folder.join("venv/bin/python"));
        python.arg("client.py");
        Ok(python)
    })
}

#[test]
fn the_javascript_client_works_needs_node() -> Result<()> {
    run("javascript", |_| {
        let mut node = Command::new("node");
        node.arg("client.js");
        Ok(node)
    })
}

#[test]
fn the_go_client_works_with_informers_and_protobuf_needs_go() -> Result<()> {
    run("go", |folder| Ok(Command::new(folder.join("client"))))
}

#[test]
fn the_fabric8_client_works_with_an_informer_needs_java() -> Result<()> {
    run("java", |folder| {
        let libraries = std::fs::read_to_string(folder.join("classpath")).context("maven wrote no classpath")?;
        let mut java = Command::new("java");
        java.args(["-cp", &format!("target/classes:{}", libraries.trim()), "ClientTest"]);
        Ok(java)
    })
}
