//! kubectl: the one on the PATH, or one built from the public Go module.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{artifacts, shell};

/// The version that is built where none is installed.
const MODULE_VERSION: &str = "v0.36.2";

const MAIN: &str = r#"package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() { os.Exit(cli.Run(cmd.NewDefaultKubectlCommand())) }
"#;

/// The folder that has a kubectl, to be put on the PATH of tests. `None`: it is on the PATH already.
pub fn ensure() -> Result<Option<PathBuf>> {
    if shell::find("kubectl").is_some() {
        return Ok(None);
    }
    let dir = artifacts::target_dir()?.join("kubectl");
    if !dir.join("kubectl").is_file() {
        build(&dir)?;
    }
    Ok(Some(dir))
}

fn build(dir: &PathBuf) -> Result<()> {
    if shell::find("go").is_none() {
        bail!("the tests need kubectl 1.32 or later: install kubectl, or Go to build it from k8s.io/kubectl");
    }
    shell::step("building kubectl from k8s.io/kubectl");
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    fs::write(dir.join("main.go"), MAIN)?;
    let go = |arguments: &[&str]| {
        let mut command = shell::command("go", arguments);
        command.current_dir(dir);
        shell::run(&mut command)
    };
    if !dir.join("go.mod").is_file() {
        go(&["mod", "init", "gantry.dev/kubectl"])?;
    }
    go(&["get", &format!("k8s.io/kubectl@{MODULE_VERSION}"), &format!("k8s.io/component-base@{MODULE_VERSION}")])?;
    go(&["mod", "tidy"])?;
    go(&["build", "-o", "kubectl", "."])
}
