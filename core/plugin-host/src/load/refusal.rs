//! Why a file is not loaded.

use std::path::PathBuf;

use thiserror::Error;

/// Why a module is refused. Everything up to [`Refusal::Unloadable`] is found out without running a byte of it.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    #[error("is a symbolic link; name the file itself")]
    SymbolicLink,
    #[error("is not a regular file")]
    NotAFile,
    #[error("is owned by uid {0}; it must belong to root or to the user that runs this host")]
    Owner(u32),
    #[error("may be written by group or others (mode {0:03o})")]
    Writable(u32),
    #[error("has {0} bytes; the limit is {1}")]
    TooLarge(u64, u64),
    #[error("has digest {found}, pinned is {pinned}")]
    Digest { pinned: String, found: String },
    #[error("cannot be copied to {0}: {1}")]
    Store(PathBuf, #[source] std::io::Error),
    #[error("is not a plugin: {0}")]
    NotElf(String),
    #[error("is built for another machine: {0}")]
    Machine(String),
    #[error("is a program or an object file, not a shared library")]
    NotShared,
    #[error("carries a library search path ({0})")]
    SearchPath(&'static str),
    #[error("has text relocations")]
    TextRelocations,
    #[error("asks for an executable stack")]
    ExecutableStack,
    #[error("has a segment that is both writable and executable")]
    WritableCode,
    #[error("needs the library {0}, which plugins may not link")]
    Needs(String),
    #[error("is a library but not a plugin: it exports no gantry_plugin_entry")]
    NoEntry,
    #[error("has no section .gantry.manifest")]
    NoManifest,
    #[error("has a malformed manifest: {0}")]
    Manifest(String),
    #[error("is built for plugin ABI {found}; this host speaks {ours}")]
    Abi { found: u64, ours: u16 },
    #[error("needs plugin ABI {major}.{wanted}; this host speaks {major}.{ours}", major = gantry_abi::ABI_MAJOR)]
    HostTooOld { wanted: u64, ours: u16 },
    #[error("declares interface {0}, which this host does not know")]
    Interface(String),
    #[error("declares column {0}, which this host does not know")]
    Column(String),
    #[error("has a config schema that this host cannot check: {0}")]
    Schema(String),
    #[error("plugin id {0} is loaded already from another module")]
    Duplicate(String),
    #[error("tier {0} is not supported yet; plugins run in the server process (T0)")]
    Tier(&'static str),
    #[error("cannot be loaded: {0}")]
    Unloadable(String),
    #[error("has an entry that contradicts its manifest: {0}")]
    Contradiction(String),
}

impl Refusal {
    /// One word for status conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "Unreadable",
            Self::SymbolicLink => "SymbolicLink",
            Self::NotAFile => "NotAFile",
            Self::Owner(_) => "Owner",
            Self::Writable(_) => "Writable",
            Self::TooLarge(..) => "TooLarge",
            Self::Digest { .. } => "DigestMismatch",
            Self::Store(..) => "StoreFailed",
            Self::NotElf(_) => "NotAPlugin",
            Self::Machine(_) => "WrongMachine",
            Self::NotShared => "NotShared",
            Self::SearchPath(_) => "SearchPath",
            Self::TextRelocations => "TextRelocations",
            Self::ExecutableStack => "ExecutableStack",
            Self::WritableCode => "WritableCode",
            Self::Needs(_) => "ForeignLibrary",
            Self::NoEntry => "NoEntry",
            Self::NoManifest => "NoManifest",
            Self::Manifest(_) => "BadManifest",
            Self::Abi { .. } => "AbiMismatch",
            Self::HostTooOld { .. } => "HostTooOld",
            Self::Interface(_) => "UnknownInterface",
            Self::Column(_) => "UnknownColumn",
            Self::Schema(_) => "BadSchema",
            Self::Duplicate(_) => "Duplicate",
            Self::Tier(_) => "TierNotSupported",
            Self::Unloadable(_) => "Unloadable",
            Self::Contradiction(_) => "Contradiction",
        }
    }
}
