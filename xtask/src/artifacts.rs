//! Building the binary and the plugins, and where they end up.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// What cargo has to be told.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }
}

/// The folder that cargo builds into, honouring `CARGO_TARGET_DIR`.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = shell::output(&mut shell::cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(dir))
}

/// Builds `gantry` and the first-party plugins; returns the folder that holds them all.
pub fn build(profile: Profile) -> Result<PathBuf> {
    shell::step("building gantry and its plugins");
    let plugins = plugin_packages()?;
    let mut arguments = vec!["build", "--package", "gantry"];
    for plugin in &plugins {
        arguments.extend(["--package", plugin]);
    }
    arguments.extend(profile.arguments());
    shell::run(&mut shell::cargo(&arguments))?;
    Ok(target_dir()?.join(profile.folder()))
}

/// The packages below plugins/.
fn plugin_packages() -> Result<Vec<String>> {
    let dir = shell::root().join("plugins");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(format!("gantry-{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}
