//! The cases that are known to fail, with the reason.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// `tests/corpus/known.tsv`: folder, case, reason.
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// # Errors
    /// No such file, or a row that has not three columns.
    pub fn read() -> Result<Self> {
        let path = super::case::root().join("known.tsv");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.map(row).collect::<Result<_>>().map(Self)
    }

    pub fn reason(&self, case: &str) -> Option<&str> {
        self.0.get(case).map(String::as_str)
    }

    /// Listed cases, as `FOLDER/CASE`.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn row(line: &str) -> Result<(String, String)> {
    let columns: Vec<&str> = line.split('\t').collect();
    match columns.as_slice() {
        [folder, case, reason] if !reason.is_empty() => Ok((format!("{folder}/{case}"), (*reason).to_owned())),
        _ => anyhow::bail!("known.tsv: {line:?} is not folder, case, reason"),
    }
}
