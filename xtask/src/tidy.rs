//! Who may import whom (ARCHITECTURE.md, "Imports"), checked on what cargo resolved.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Crates of ours that a package reaches, with their folders: `gantry-rest` → `api/rest`.
struct Graph {
    folders: BTreeMap<String, String>,
    uses: BTreeMap<String, BTreeSet<String>>,
    external: BTreeMap<String, BTreeSet<String>>,
}

/// Packages whose folder starts with one of `who` may not reach one whose folder starts with one of `what`.
struct Rule {
    why: &'static str,
    who: &'static [&'static str],
    what: &'static [&'static str],
    /// Pairs that are allowed still. May only shrink.
    except: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        why: "the engine never sees a door, a node, a plugin's source or a composition root",
        who: &["core/"],
        what: &["api/", "node/", "plugins/", "bin"],
        except: &[],
    },
    Rule {
        why: "the SDK stands alone",
        who: &["sdk/"],
        what: &["core/", "api/", "node/", "plugins/", "bin"],
        except: &[],
    },
    Rule { why: "plugins see the SDK only", who: &["plugins/"], what: &["core/", "api/", "node/", "bin"], except: &[] },
    Rule {
        why: "these see the cluster only through the traits of core/runtime",
        who: &["core/scheduler", "core/controllers", "api/client", "node/"],
        what: &["core/storage", "core/storage-pg", "core/watch-cache", "core/registry", "core/admission", "core/auth"],
        except: &[],
    },
    Rule {
        why: "the doors and the registry know no SQL and load no plugin",
        who: &["api/rest", "api/grpc", "core/registry"],
        what: &["core/storage-pg", "core/plugin-host"],
        except: &[],
    },
    Rule {
        why: "only bin names implementations",
        who: &["api/", "core/", "node/", "sdk/", "plugins/"],
        what: &["bin"],
        except: &[],
    },
];

/// SQL stands in one crate.
const SQL_CRATES: &[&str] = &["core/storage-pg", "bin", "tests", "bench"];

pub fn run() -> Result<()> {
    let graph = Graph::read()?;
    let mut broken = Vec::new();
    for rule in RULES {
        broken.extend(graph.violations(rule));
    }
    for (package, uses) in &graph.external {
        let folder = &graph.folders[package];
        if uses.contains("sqlx") && !SQL_CRATES.contains(&folder.as_str()) {
            broken.push(format!("{folder} uses sqlx: SQL stands in core/storage-pg only"));
        }
    }
    if !broken.is_empty() {
        bail!("imports that the architecture forbids:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

impl Graph {
    fn read() -> Result<Self> {
        let text = shell::output(&mut shell::cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        let root = shell::root();
        let mut graph = Self { folders: BTreeMap::new(), uses: BTreeMap::new(), external: BTreeMap::new() };
        for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
            let text = |member: &str| package[member].as_str().unwrap_or_default().to_owned();
            let manifest = text("manifest_path");
            let folder = manifest.strip_prefix(&*root.to_string_lossy()).unwrap_or(&manifest);
            graph.folders.insert(text("name"), folder.trim_matches('/').trim_end_matches("/Cargo.toml").to_owned());
            let normal = package["dependencies"].as_array().into_iter().flatten().filter(|d| d["kind"].is_null());
            let names: BTreeSet<String> = normal.filter_map(|d| d["name"].as_str()).map(str::to_owned).collect();
            let (ours, external) = names.into_iter().partition(|n| n.starts_with("gantry"));
            graph.uses.insert(text("name"), ours);
            graph.external.insert(text("name"), external);
        }
        Ok(graph)
    }

    /// Everything of ours that a package reaches, directly or not.
    fn reach(&self, package: &str) -> BTreeSet<&str> {
        let (mut found, mut open) = (BTreeSet::new(), vec![package]);
        while let Some(next) = open.pop() {
            for used in self.uses.get(next).into_iter().flatten() {
                if found.insert(used.as_str()) {
                    open.push(used);
                }
            }
        }
        found
    }

    fn violations(&self, rule: &Rule) -> Vec<String> {
        let mut broken = Vec::new();
        for (package, folder) in &self.folders {
            if !rule.who.iter().any(|prefix| covers(prefix, folder)) {
                continue;
            }
            for used in self.reach(package) {
                let Some(target) = self.folders.get(used) else { continue };
                let excepted = rule.except.contains(&(folder.as_str(), target.as_str()));
                if !excepted && rule.what.iter().any(|prefix| covers(prefix, target)) {
                    broken.push(format!("{folder} reaches {target}: {}", rule.why));
                }
            }
        }
        broken
    }
}

/// `core/` covers everything below it, `core/storage` only itself.
fn covers(prefix: &str, folder: &str) -> bool {
    if prefix.ends_with('/') { folder.starts_with(prefix) } else { folder == prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, &[&str])]) -> Graph {
        Graph {
            folders: edges.iter().map(|(n, f, _)| ((*n).to_owned(), (*f).to_owned())).collect(),
            uses: edges
                .iter()
                .map(|(n, _, u)| ((*n).to_owned(), u.iter().map(|s| (*s).to_owned()).collect()))
                .collect(),
            external: BTreeMap::new(),
        }
    }

    #[test]
    fn a_rule_sees_indirect_imports() {
        let graph = graph(&[("a", "node/agent", &["b"]), ("b", "core/runtime", &["c"]), ("c", "core/storage", &[])]);
        let rule = &RULES[3];
        assert_eq!(graph.violations(rule).len(), 1);
        assert!(graph.violations(&RULES[0]).is_empty());
    }
}
