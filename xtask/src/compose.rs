//! docker-compose.yml, checked without an engine: by the compose plugin where there is one, else against the parts of the
//! Compose specification that the file uses.

use std::{collections::BTreeSet, process::Stdio};

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use crate::shell;

const FILE: &str = "docker-compose.yml";
const TOP_LEVEL: &[&str] = &["name", "services", "volumes", "networks", "configs", "secrets"];
const SERVICE: &[&str] = &[
    "build",
    "cgroup",
    "command",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "hostname",
    "image",
    "ports",
    "privileged",
    "restart",
    "tmpfs",
    "volumes",
];
const CONDITIONS: &[&str] = &["service_started", "service_healthy", "service_completed_successfully"];
const HEALTHCHECK: &[&str] = &["test", "interval", "timeout", "retries", "start_period", "start_interval"];

pub fn run() -> Result<()> {
    let mut plugin = shell::command("docker", &["compose", "version"]);
    if plugin.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        let mut config = shell::command("docker", &["compose", "--file", FILE, "config", "--quiet"]);
        return shell::run(config.env("POSTGRES_PASSWORD", "checked"));
    }
    let problems = problems(&shell::as_json(FILE)?);
    if !problems.is_empty() {
        bail!("{FILE}:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn problems(file: &Value) -> Vec<String> {
    let empty = Map::new();
    let members = |value: &Value, name: &str| value[name].as_object().unwrap_or(&empty).clone();
    let (services, volumes) = (members(file, "services"), members(file, "volumes"));
    let mut found = unknown("the file", file, TOP_LEVEL);
    if services.is_empty() {
        found.push("there are no services".into());
    }
    for (name, service) in &services {
        found.extend(unknown(name, service, SERVICE));
        found.extend(unknown(&format!("{name}: healthcheck"), &service["healthcheck"], HEALTHCHECK));
        if service["image"].is_null() && service["build"].is_null() {
            found.push(format!("{name} has neither image nor build"));
        }
        found.extend(dependencies(name, service, &services));
        found.extend(mounts(name, service, &volumes));
    }
    found
}

fn unknown(what: &str, value: &Value, known: &[&str]) -> Vec<String> {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
    keys.filter(|key| !known.contains(&key.as_str())).map(|key| format!("{what}: {key:?} is not known")).collect()
}

fn dependencies(name: &str, service: &Value, services: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
        let condition = how["condition"].as_str().unwrap_or("service_started");
        if !CONDITIONS.contains(&condition) {
            found.push(format!("{name}: condition {condition:?} is not known"));
        }
        match services.get(other) {
            None => found.push(format!("{name} depends on {other:?}, which is no service")),
            Some(other_service) if condition == "service_healthy" && other_service["healthcheck"].is_null() => {
                found.push(format!("{name} waits until {other} is healthy, which has no health check"));
            }
            Some(_) => {}
        }
    }
    found
}

/// `SOURCE:TARGET[:MODE]`; a source without a slash is a volume that must be declared.
fn mounts(name: &str, service: &Value, volumes: &Map<String, Value>) -> Vec<String> {
    let (mut found, mut targets) = (Vec::new(), BTreeSet::new());
    for mount in service["volumes"].as_array().into_iter().flatten() {
        let text = mount.as_str().unwrap_or_default();
        let parts: Vec<&str> = text.split(':').collect();
        let ([source, target] | [source, target, "ro" | "rw"]) = parts[..] else {
            found.push(format!("{name}: {text:?} is no volume of the form SOURCE:TARGET[:ro]"));
            continue;
        };
        if !source.starts_with(['/', '.']) && !volumes.contains_key(source) {
            found.push(format!("{name}: the volume {source:?} is not declared"));
        }
        if !targets.insert(target.to_owned()) {
            found.push(format!("{name}: two volumes at {target}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_compose_would_refuse_is_found() {
        let file = json!({
            "services": {
                "a": {"image": "x", "depends_on": {"b": {"condition": "service_healthy"}, "c": {}}, "volumes": ["v:/v"]},
                "b": {"comand": ["x"]},
            },
        });
        let found = problems(&file).join("\n");
        for part in [
            "a waits until b is healthy",
            "\"c\", which is no service",
            "\"v\" is not declared",
            "\"comand\" is not known",
            "b has neither image nor build",
        ] {
            assert!(found.contains(part), "{part} in:\n{found}");
        }
    }
}
