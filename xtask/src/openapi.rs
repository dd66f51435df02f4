//! The published specifications: made anew from the field tables. A test holds that they are what the server serves.

use std::fs;

use anyhow::{Context, Result};

use crate::shell;

/// Writes `openapi/` anew.
pub fn run() -> Result<()> {
    let folder = shell::root().join("openapi").join("v3");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    shell::run(&mut shell::cargo(&["run", "-q", "-p", "gantry-codec", "--example", "openapi", "--", "openapi"]))
}
