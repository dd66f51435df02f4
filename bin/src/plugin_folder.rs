//! The first-party plugins that lie beside the binary.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a first-party plugin's library is called, by what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    Scheduler,
    Controllers,
    Service,
}

impl Family {
    fn prefix(self) -> &'static str {
        match self {
            Self::Scheduler => "libgantry_scheduler_",
            Self::Controllers => "libgantry_controllers_",
            Self::Service => "libgantry_service_",
        }
    }
}

/// The folder given, or the one that holds this binary.
///
/// # Errors
/// If the binary does not know where it lies.
pub fn locate(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = given {
        return Ok(dir.to_path_buf());
    }
    let binary = std::env::current_exe().context("cannot find the gantry binary")?;
    let dir = binary.parent().context("the gantry binary has no folder")?;
    Ok(dir.to_path_buf())
}

/// Libraries of a family in a folder, in order of name.
///
/// # Errors
/// If the folder cannot be read.
pub fn libraries(dir: &Path, family: Family) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with(family.prefix()) && name.ends_with(".so") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
