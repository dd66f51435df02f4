//! What an ELF file says about itself, read before anything of it runs.

use object::{
    Endianness, Object, ObjectSection,
    elf::{
        DF_TEXTREL, DT_FLAGS, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_TEXTREL, ET_DYN, FileHeader64, PF_W, PF_X,
        PT_GNU_STACK, PT_LOAD,
    },
    read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader},
};

use super::refusal::Refusal;

/// What a plugin may link: the C library and what belongs to it. All else it carries within.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = object::elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = object::elf::EM_AARCH64;

type File<'d> = ElfFile64<'d, Endianness>;

/// Checks the file and returns the bytes of its manifest section.
///
/// # Errors
/// It is no shared library of this machine, or it has what plugins must not have.
pub fn check(bytes: &[u8]) -> Result<&[u8], Refusal> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(Refusal::NotElf("it is no ELF file".into()));
    }
    let file = File::parse(bytes).map_err(|e| Refusal::Machine(e.to_string()))?;
    let header = file.elf_header();
    let endian = file.endian();
    if endian != Endianness::Little || header.e_machine(endian) != MACHINE {
        return Err(Refusal::Machine(format!("ELF machine {}", header.e_machine(endian))));
    }
    if header.e_type(endian) != ET_DYN {
        return Err(Refusal::NotShared);
    }
    check_segments(header, endian, bytes)?;
    check_dynamic(header, endian, bytes)?;
    if !file.exports().map_err(not_elf)?.iter().any(|e| e.name() == gantry_abi::ENTRY_SYMBOL.as_bytes()) {
        return Err(Refusal::NoEntry);
    }
    let section = file.section_by_name(gantry_abi::MANIFEST_SECTION).ok_or(Refusal::NoManifest)?;
    section.data().map_err(not_elf)
}

fn not_elf(error: object::Error) -> Refusal {
    Refusal::NotElf(error.to_string())
}

fn check_segments(header: &FileHeader64<Endianness>, endian: Endianness, bytes: &[u8]) -> Result<(), Refusal> {
    let mut stack_is_stated = false;
    for segment in header.program_headers(endian, bytes).map_err(not_elf)? {
        let flags = segment.p_flags(endian);
        match segment.p_type(endian) {
            PT_GNU_STACK if flags & PF_X != 0 => return Err(Refusal::ExecutableStack),
            PT_GNU_STACK => stack_is_stated = true,
            PT_LOAD if flags & PF_W != 0 && flags & PF_X != 0 => return Err(Refusal::WritableCode),
            _ => {}
        }
    }
    // Without the header the loader assumes an executable stack.
    if stack_is_stated { Ok(()) } else { Err(Refusal::ExecutableStack) }
}

fn check_dynamic(header: &FileHeader64<Endianness>, endian: Endianness, bytes: &[u8]) -> Result<(), Refusal> {
    let sections = header.sections(endian, bytes).map_err(not_elf)?;
    let Some((entries, strings)) = sections.dynamic(endian, bytes).map_err(not_elf)? else {
        return Err(Refusal::NotShared);
    };
    let strings = sections.strings(endian, bytes, strings).map_err(not_elf)?;
    for entry in entries {
        match entry.tag32(endian) {
            Some(DT_RPATH) => return Err(Refusal::SearchPath("DT_RPATH")),
            Some(DT_RUNPATH) => return Err(Refusal::SearchPath("DT_RUNPATH")),
            Some(DT_TEXTREL) => return Err(Refusal::TextRelocations),
            Some(DT_FLAGS) if entry.val32(endian).is_some_and(|v| v & DF_TEXTREL != 0) => {
                return Err(Refusal::TextRelocations);
            }
            Some(DT_NEEDED) => {
                let name = entry.string(endian, strings).map_err(not_elf)?;
                let name = String::from_utf8_lossy(name);
                if !LIBRARIES.contains(&name.as_ref()) {
                    return Err(Refusal::Needs(name.into_owned()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
