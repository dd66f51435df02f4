//! The form of a case file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One file: requests in order, with the answers recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// What must hold, as a sentence.
    pub name: String,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub cleanup: Vec<Cleanup>,
    /// `FOLDER/FILE`, without the extension.
    #[serde(skip)]
    pub id: String,
}

/// One request. `{ns}`, `{id}` and saved words stand for their values wherever they appear.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub query: Map<String, Value>,
    /// Added to the usual ones; null takes one away.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    pub body: Option<Value>,
    /// A body sent as it is, in place of `body`.
    pub text: Option<String>,
    /// Without the administrator's certificate.
    #[serde(default)]
    pub anonymous: bool,
    /// Words for later steps: name to JSON pointer into the answer.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    pub until: Option<Until>,
    pub watch: Option<Watch>,
    /// Lists whose order is not promised.
    #[serde(default)]
    pub sort: Vec<String>,
    /// What may differ.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Nothing else of the body is compared.
    pub only: Option<Vec<String>>,
    pub expect: Value,
}

/// The request is repeated until its answer is so.
#[derive(Clone, Debug, Deserialize)]
pub struct Until {
    pub pointer: Option<String>,
    pub equals: Option<Value>,
    pub status: Option<u16>,
    /// Seconds.
    #[serde(default)]
    pub timeout: u64,
}

/// The answer is a stream; so many events are read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Watch {
    pub events: usize,
    /// Seconds.
    #[serde(default = "ten")]
    pub timeout: u64,
}

fn ten() -> u64 {
    10
}

#[derive(Clone, Debug, Deserialize)]
pub struct Cleanup {
    pub method: String,
    pub path: String,
}

/// All cases of the repository, in order of their names.
///
/// # Errors
/// A file that cannot be read or is no case.
pub fn cases() -> Result<Vec<Case>> {
    let root = root();
    let mut all = Vec::new();
    for folder in std::fs::read_dir(&root)?.collect::<Result<Vec<_>, _>>()? {
        if folder.file_type()?.is_dir() {
            let name = folder.file_name().to_string_lossy().into_owned();
            for file in std::fs::read_dir(folder.path())?.collect::<Result<Vec<_>, _>>()? {
                all.push(read(&name, &file.path())?);
            }
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn read(folder: &str, path: &Path) -> Result<Case> {
    let text = std::fs::read(path)?;
    let mut case: Case = serde_json::from_slice(&text).with_context(|| format!("{} is no case", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    case.id = format!("{folder}/{name}");
    Ok(case)
}
