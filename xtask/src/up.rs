//! From a clone to a running cluster in one command.

use std::{os::unix::process::CommandExt, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    artifacts::{self, Profile},
    images, packages, shell,
};

const DEFAULT_DATA_DIR: &str = "/var/lib/gantry";

/// Does not return on success: becomes `gantry up`.
pub fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&String> = arguments.iter().filter(|a| *a != "--").collect();
    packages::install_missing()?;
    let built = artifacts::build(Profile::Release)?;
    images::build(&data_dir(&arguments).join("images"))?;
    let mut up = shell::command(&built.join("gantry").to_string_lossy(), &["up"]);
    if !has_data_dir(&arguments) {
        up.args(["--data-dir", DEFAULT_DATA_DIR]);
    }
    let error = up.args(&arguments).current_dir(std::env::current_dir()?).exec();
    Err(error).context("cannot start the gantry that was built")
}

fn has_data_dir(arguments: &[&String]) -> bool {
    arguments.iter().any(|a| *a == "--data-dir" || a.starts_with("--data-dir="))
        || std::env::var_os("GANTRY_DATA_DIR").is_some()
}

fn data_dir(arguments: &[&String]) -> PathBuf {
    let mut given = arguments.iter();
    while let Some(argument) = given.next() {
        if let Some(dir) = argument.strip_prefix("--data-dir=") {
            return dir.into();
        }
        if *argument == "--data-dir"
            && let Some(dir) = given.next()
        {
            return PathBuf::from(dir.as_str());
        }
    }
    std::env::var_os("GANTRY_DATA_DIR").map_or_else(|| DEFAULT_DATA_DIR.into(), PathBuf::from)
}
