//! What may be linked (deny.toml): licences, sources, banned crates, and how many versions of one. `cargo deny check` knows
//! more, advisories above all, but takes longer to build than everything else that CI does; it reads the same file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn run() -> Result<()> {
    let policy = Policy::read(&shell::as_json("deny.toml")?);
    let mut arguments = vec!["metadata", "--format-version", "1", "--locked"];
    for target in &policy.targets {
        arguments.extend(["--filter-platform", target]);
    }
    let text = shell::output(&mut shell::cargo(&arguments))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = linked(&metadata);
    let found = policy.violations(&packages);
    if !found.is_empty() {
        bail!("deny.toml forbids:\n  {}", found.join("\n  "));
    }
    for line in duplicates(&packages) {
        eprintln!("   two versions: {line}");
    }
    Ok(())
}

/// Packages that one of ours reaches without its tests: what may end up in a binary, or builds it.
fn linked(metadata: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let ids = |value: &Value| list(value).iter().filter_map(|id| id.as_str().map(str::to_owned)).collect::<Vec<_>>();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let uses: BTreeMap<&str, &Value> = nodes.iter().filter_map(|n| Some((n["id"].as_str()?, &n["deps"]))).collect();
    let (mut open, mut reached) = (ids(&metadata["workspace_members"]), BTreeSet::new());
    while let Some(next) = open.pop() {
        let deps = uses.get(next.as_str()).copied().map(list).unwrap_or_default();
        if reached.insert(next) {
            let kept = deps.iter().filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev"));
            open.extend(kept.filter_map(|dep| dep["pkg"].as_str().map(str::to_owned)));
        }
    }
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages.iter().filter(|package| package["id"].as_str().is_some_and(|id| reached.contains(id))).collect()
}

struct Policy {
    targets: Vec<String>,
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

impl Policy {
    fn read(file: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            targets: list(&file["graph"]["targets"]).iter().map(text).collect(),
            licences: list(&file["licenses"]["allow"]).iter().map(text).collect(),
            banned: list(&file["bans"]["deny"]).iter().map(|ban| text(&ban["name"])).collect(),
        }
    }

    fn violations(&self, packages: &[&Value]) -> Vec<String> {
        packages.iter().filter_map(|package| self.violation(package)).collect()
    }

    fn violation(&self, package: &Value) -> Option<String> {
        let text = |member: &str| package[member].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        if self.banned.contains(text("name")) {
            return Some(format!("{name} is banned"));
        }
        // Ours have no source.
        if !text("source").is_empty() && text("source") != CRATES_IO {
            return Some(format!("{name} comes from {}", text("source")));
        }
        let licence = text("license");
        (!self.allows(licence)).then(|| format!("{name} is under {licence:?}"))
    }

    /// Reads an SPDX expression (and the older `MIT/Apache-2.0`).
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = &words[..];
        !words.is_empty() && self.any(&mut rest) && rest.is_empty()
    }

    fn any(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.all(words);
        while let Some(rest) = words.strip_prefix(&["OR"]) {
            *words = rest;
            allowed |= self.all(words);
        }
        allowed
    }

    fn all(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.one(words);
        while let Some(rest) = words.strip_prefix(&["AND"]) {
            *words = rest;
            allowed &= self.one(words);
        }
        allowed
    }

    fn one(&self, words: &mut &[&str]) -> bool {
        match **words {
            ["(", ..] => {
                *words = &words[1..];
                let allowed = self.any(words);
                let closed = words.first() == Some(&")");
                *words = words.get(1..).unwrap_or_default();
                allowed && closed
            }
            [licence, "WITH", exception, ..] => {
                *words = &words[3..];
                self.licences.contains(&format!("{licence} WITH {exception}"))
            }
            [licence, ..] => {
                *words = &words[1..];
                self.licences.contains(licence)
            }
            [] => false,
        }
    }
}

fn duplicates(packages: &[&Value]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        if let (Some(name), Some(version)) = (package["name"].as_str(), package["version"].as_str()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| format!("{name} {}", versions.into_iter().collect::<Vec<_>>().join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Policy {
        Policy::read(&json!({
            "licenses": {"allow": ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]},
            "bans": {"deny": [{"name": "openssl"}]},
        }))
    }

    #[test]
    fn a_licence_expression_is_read_as_one() {
        let policy = policy();
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(policy.allows(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "(MIT", "MIT MIT"] {
            assert!(!policy.allows(bad), "{bad}");
        }
    }

    #[test]
    fn banned_crates_and_other_sources_are_found() {
        let package =
            |name: &str, source: &str| json!({"name": name, "version": "1.0.0", "source": source, "license": "MIT"});
        let (ssl, git) = (package("openssl", CRATES_IO), package("x", "git+https://example.com/x"));
        assert_eq!(policy().violations(&[&ssl]), ["openssl 1.0.0 is banned"]);
        assert_eq!(policy().violations(&[&git]), ["x 1.0.0 comes from git+https://example.com/x"]);
        assert_eq!(policy().violations(&[&package("y", CRATES_IO)]), Vec::<String>::new());
    }
}
