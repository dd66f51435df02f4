//! `--config FILE`: the file's values become defaults of the command's flags, so flags and variables win over them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Command;
use gantry_codec::{Format, parse_untyped};

/// Finds `--config FILE`, `--config=FILE` or `GANTRY_CONFIG` before the real parse.
pub fn path_given(arguments: &[OsString]) -> Option<PathBuf> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(text) = argument.to_str() else { continue };
        if text == "--" {
            break;
        }
        if text == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(file) = text.strip_prefix("--config=") {
            return Some(file.into());
        }
    }
    std::env::var_os("GANTRY_CONFIG").map(PathBuf::from)
}

/// Makes the file's values the defaults of the subcommand that `arguments` names.
///
/// # Errors
/// If the file cannot be read, is not a flat mapping, or has a key that is no flag of the command.
pub fn apply(command: Command, arguments: &[OsString], file: &Path) -> Result<Command> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let values = flat_values(&text).with_context(|| format!("{} is not a configuration", file.display()))?;
    let chosen = chosen(&command, arguments);
    if chosen.is_empty() {
        return Ok(command);
    }
    let mut command = command;
    for (key, value) in values {
        let flag = key.replace('-', "_");
        if leaf(&command, &chosen).is_some_and(|leaf| has(leaf, &flag)) {
            command = with_default(command, &chosen, &flag, value);
        } else if has(&command, &flag) {
            command = with_default(command, &[], &flag, value);
        } else {
            let of = chosen.join(" ");
            bail!("{}: {key:?} is no flag of `gantry {of}`; see `gantry {of} --help`", file.display());
        }
    }
    Ok(command)
}

/// The subcommands named, outermost first: `admin`, `token`.
fn chosen(command: &Command, arguments: &[OsString]) -> Vec<String> {
    let (mut at, mut names) = (command, Vec::new());
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if let Some(next) = at.find_subcommand(argument) {
            names.push(argument.to_owned());
            at = next;
        }
    }
    names
}

fn leaf<'a>(command: &'a Command, path: &[String]) -> Option<&'a Command> {
    path.iter().try_fold(command, |at, name| at.find_subcommand(name))
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|a| a.get_id() == flag && a.get_long().is_some())
}

fn with_default(command: Command, path: &[String], flag: &str, value: String) -> Command {
    match path.split_first() {
        Some((name, rest)) => command.mut_subcommand(name, |inner| with_default(inner, rest, flag, value)),
        // A required flag that the file gives is not missing.
        None => command.mut_arg(flag, |arg| arg.required(false).default_value(value)),
    }
}

/// Keys and scalar values; a list becomes a comma-separated text.
fn flat_values(text: &str) -> Result<Vec<(String, String)>> {
    let (tree, _) = parse_untyped(text.as_bytes(), Format::Yaml)?;
    let tree = match tree {
        serde_json::Value::Null => return Ok(Vec::new()),
        serde_json::Value::Object(members) => members,
        _ => bail!("expected a mapping of flags to values"),
    };
    tree.into_iter().map(|(key, value)| Ok((key.clone(), scalar(&key, &value)?))).collect()
}

fn scalar(key: &str, value: &serde_json::Value) -> Result<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(items) => Ok(items.iter().map(|v| scalar(key, v)).collect::<Result<Vec<_>>>()?.join(",")),
        Value::Null | Value::Object(_) => bail!("{key:?} must be a text, number, boolean or list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Chosen};
    use clap::{CommandFactory, FromArgMatches};

    fn parse(arguments: &[&str], yaml: &str) -> Result<Cli> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("gantry.yaml");
        std::fs::write(&file, yaml)?;
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let command = apply(Cli::command(), &arguments, &file)?;
        Ok(Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?)
    }

    #[test]
    fn the_file_gives_defaults_and_flags_win() {
        let yaml = "data-dir: /srv/gantry\nnodes: 3\nlisten: 127.0.0.1:7443\ndetach: true\n";
        let Chosen::Up(up) = parse(&["gantry", "up", "--nodes", "2"], yaml).unwrap().command else { panic!("not up") };
        assert_eq!((up.nodes, up.detach), (Some(2), true));
        assert_eq!(up.data_dir, PathBuf::from("/srv/gantry"));
        assert_eq!(up.listen.to_string(), "127.0.0.1:7443");
    }

    #[test]
    fn a_key_that_is_no_flag_is_refused_by_name() {
        let error = parse(&["gantry", "up"], "node: 3\n").unwrap_err().to_string();
        assert!(error.contains("\"node\" is no flag of `gantry up`"), "{error}");
    }

    #[test]
    fn commands_below_commands_read_the_file_too() {
        let Chosen::Admin(crate::cli::AdminCommand::Token(token)) =
            parse(&["gantry", "admin", "token", "robot"], "namespace: robots\nexpiration-seconds: 600\n")
                .unwrap()
                .command
        else {
            panic!("not admin token")
        };
        assert_eq!((token.namespace.as_str(), token.expiration_seconds), ("robots", Some(600)));
        let error = parse(&["gantry", "admin", "token", "robot"], "nodes: 3\n").unwrap_err().to_string();
        assert!(error.contains("`gantry admin token`"), "{error}");
    }

    #[test]
    fn required_flags_may_stand_in_the_file() {
        let yaml = "database-url: postgres:///x\nroles: [api]\n";
        let Chosen::Server(server) = parse(&["gantry", "server"], yaml).unwrap().command else { panic!("not server") };
        assert_eq!(server.database_url, "postgres:///x");
        assert_eq!(server.roles, [crate::control_plane::Role::Api]);
    }
}
