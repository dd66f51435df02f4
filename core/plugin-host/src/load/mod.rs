//! From a path to a mapped module, refusing as early as can be. In this order: open without following links, owner and mode,
//! digest, ELF, manifest and ABI; then the content-addressed copy, and only then the dynamic loader.

mod elf;
mod file;
mod manifest;
mod module;
mod refusal;
mod schema;

use std::path::{Path, PathBuf};

pub use file::make_store;
pub use manifest::{COLUMNS, Manifest, PluginManifest};
pub use module::Module;
pub use refusal::Refusal;
pub use schema::Schema;

/// What an operator says about a module.
#[derive(Clone, Debug, Default)]
pub struct Pin {
    /// SHA-256 in hexadecimal; `None`: any.
    pub sha256: Option<String>,
}

/// A module that was found good without running it.
#[derive(Clone, Debug)]
pub struct Checked {
    pub path: PathBuf,
    pub sha256: String,
    pub manifest: Manifest,
}

/// Everything that can be found out without loading: what `gantry plugin check` prints.
///
/// # Errors
/// The first reason to refuse the file.
pub fn check(path: &Path, pin: &Pin) -> Result<Checked, Refusal> {
    examine(path, pin).map(|examined| examined.checked)
}

/// A module that was found good, with its bytes: ready to be mapped.
pub struct Examined {
    pub checked: Checked,
    image: file::Image,
}

/// As [`check`], keeping the bytes for [`map`].
///
/// # Errors
/// The first reason to refuse the file.
pub fn examine(path: &Path, pin: &Pin) -> Result<Examined, Refusal> {
    let image = file::read(path)?;
    if let Some(pinned) = pin.sha256.as_ref().filter(|p| !p.eq_ignore_ascii_case(&image.sha256)) {
        return Err(Refusal::Digest { pinned: pinned.clone(), found: image.sha256 });
    }
    let manifest = manifest::parse(elf::check(&image.bytes)?)?;
    let checked = Checked { path: path.to_owned(), sha256: image.sha256.clone(), manifest };
    Ok(Examined { checked, image })
}

/// Copies a module into the store and maps the copy.
///
/// # Errors
/// The store cannot be written, the loader refuses, or the entry contradicts the manifest.
pub fn map(store: &Path, examined: Examined) -> Result<Module, Refusal> {
    let kept = file::keep(store, &examined.image)?;
    Module::map(examined.checked, &kept)
}
