//! A mapped module.

use std::{ffi::c_void, fmt, path::Path};

use gantry_abi as abi;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{Checked, PluginManifest, Refusal};

/// Never unload: threads of the plugin, its thread-local destructors and pointers we hold may outlive our interest, and
/// unloading gives nothing back.
const RTLD_NODELETE: std::ffi::c_int = 0x1000;

/// A module that is mapped for the rest of the process's life.
pub struct Module {
    checked: Checked,
    entry: &'static abi::Entry,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.checked).finish()
    }
}

// SAFETY: the entry is constant data; `describe` is [any], and `create` is called under a plugin's lock.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Maps the file at `kept`, which was checked, and compares its entry with its manifest.
    pub(super) fn map(checked: Checked, kept: &Path) -> Result<Self, Refusal> {
        let flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
        // SAFETY: this runs the module's constructors: the operator trusts what he puts into tier T0.
        let library = unsafe { Library::open(Some(kept), flags) }.map_err(|e| Refusal::Unloadable(e.to_string()))?;
        // SAFETY: a symbol of that name is a gantry_entry by the header; its size and magic are looked at first.
        let entry: &'static abi::Entry = unsafe {
            let symbol = library
                .get::<*const c_void>(abi::ENTRY_SYMBOL.as_bytes())
                .map_err(|e| Refusal::Unloadable(e.to_string()))?;
            check_head(symbol.as_raw_ptr().cast())?
        };
        // Mapped for good already (NODELETE); the handle itself is of no more use.
        std::mem::forget(library);
        let module = Self { checked, entry };
        module.compare()?;
        Ok(module)
    }

    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    pub fn plugin(&self, id: &str) -> Option<&PluginManifest> {
        self.checked.manifest.plugins.iter().find(|p| p.id == id)
    }

    pub(crate) fn create_fn(&self) -> abi::CreateFn {
        self.entry.create.expect("check_head looked at it")
    }

    /// What the module tells when it runs must be what its manifest told before.
    fn compare(&self) -> Result<(), Refusal> {
        let describe = self.entry.describe.expect("check_head looked at it");
        for (i, told) in self.checked.manifest.plugins.iter().enumerate() {
            // SAFETY: [any], pure, by the header.
            let desc = unsafe { describe(i as u32).as_ref() };
            let desc = desc.ok_or_else(|| Refusal::Contradiction(format!("it describes {i} plugins only")))?;
            // SAFETY: constant data of the module.
            unsafe { same(desc, told) }
                .map_err(|what| Refusal::Contradiction(format!("{what} of plugin {:?} differs", told.id)))?;
        }
        Ok(())
    }
}

/// # Safety
/// `entry` is null or points to at least the head of a gantry_entry that lives as long as the process.
unsafe fn check_head(entry: *const abi::Entry) -> Result<&'static abi::Entry, Refusal> {
    if entry.is_null() || !entry.is_aligned() {
        return Err(Refusal::NoEntry);
    }
    // SAFETY: promised by the caller; the first members never move.
    let (magic, major, size) = unsafe { ((*entry).magic, (*entry).abi_major, (*entry).size) };
    if magic != abi::MAGIC {
        return Err(Refusal::NotElf("its entry has a wrong magic number".into()));
    }
    if major != abi::ABI_MAJOR {
        return Err(Refusal::Abi { found: u64::from(major), ours: abi::ABI_MAJOR });
    }
    if size < abi::size_of_u32::<abi::Entry>() {
        return Err(Refusal::Contradiction("its entry is too small".into()));
    }
    // SAFETY: of full size.
    let entry = unsafe { &*entry };
    if entry.min_host_minor > u32::from(abi::ABI_MINOR) {
        return Err(Refusal::HostTooOld { wanted: u64::from(entry.min_host_minor), ours: abi::ABI_MINOR });
    }
    if entry.describe.is_none() || entry.create.is_none() {
        return Err(Refusal::Contradiction("its entry lacks describe or create".into()));
    }
    Ok(entry)
}

/// # Safety
/// `desc` is constant data of a module.
unsafe fn same(desc: &abi::Desc, told: &PluginManifest) -> Result<(), &'static str> {
    if desc.size < abi::size_of_u32::<abi::Desc>() {
        return Err("the size");
    }
    // SAFETY: promised by the caller.
    unsafe {
        if desc.id.text() != Some(&told.id) {
            return Err("the id");
        }
        if desc.version.text() != Some(&told.version) {
            return Err("the version");
        }
        if !same_texts(desc.interfaces, desc.n_interfaces, &told.interfaces) {
            return Err("the list of interfaces");
        }
        if !same_texts(desc.columns, desc.n_columns, &told.columns) {
            return Err("the list of columns");
        }
    }
    Ok(())
}

/// # Safety
/// `first` points to `n` texts.
unsafe fn same_texts(first: *const abi::Str, n: u64, told: &[String]) -> bool {
    // SAFETY: promised by the caller.
    n == told.len() as u64 && (0..told.len()).all(|i| unsafe { (*first.add(i)).text() } == Some(&told[i]))
}
