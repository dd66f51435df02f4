//! Running other programs, with their command line in every error.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The root of the checkout: cargo says where xtask lies now. A target folder that several checkouts share may run us
/// from another one than we were compiled in.
pub fn root() -> PathBuf {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    // xtask/ lies directly below the root.
    Path::new(&here).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A command that runs in the root of the checkout.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs us.
pub fn cargo(arguments: &[&str]) -> Command {
    command(&env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

/// Runs to the end; anything but exit code 0 is an error that names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Runs to the end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.output().with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Where a program is on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Tells the user which step runs.
pub fn step(what: &str) {
    eprintln!("── {what}");
}

/// A YAML or TOML file of the checkout as JSON. Python reads it (3.11 or later, with PyYAML): nothing has to be built.
pub fn as_json(file: &str) -> Result<serde_json::Value> {
    let load = if file.ends_with(".toml") { "tomllib.load" } else { "yaml.safe_load" };
    let module = load.split('.').next().unwrap_or_default();
    let script = format!("import json, sys, {module}\nprint(json.dumps({load}(open(sys.argv[1], 'rb'))))");
    let text = output(&mut command("python3", &["-c", &script, file]))?;
    serde_json::from_str(&text).with_context(|| format!("{file} is not JSON after reading"))
}
