//! The image that holds a sandbox's namespaces open: a static program of a few hundred bytes, so that a node needs no
//! registry to start a pod.
//!
//! The program is assembled into our own read-only data and wrapped into an ELF file at run time. It blocks all
//! signals, then waits for them: SIGCHLD makes it reap (it is process 1 where a pod shares its process namespace),
//! SIGINT and SIGTERM end it. Blocked signals reach even a process 1 that has no handlers.

use std::{arch::global_asm, io, path::Path};

use crate::oci_archive::{ImageBuilder, Layer};

/// Under this name the image is known to containerd; nothing ever pulls it.
pub const PAUSE_IMAGE: &str = "gantry.local/pause:1";

// The signal mask is 8 bytes of ones on the stack; rt_sigtimedwait returns the signal's number.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata.gantry_pause, \"a\"",
    ".globl gantry_pause_begin",
    "gantry_pause_begin:",
    "push -1",
    "xor edi, edi", // SIG_BLOCK
    "mov rsi, rsp",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 14", // rt_sigprocmask
    "syscall",
    "2:",
    "mov rdi, rsp",
    "xor esi, esi",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 128", // rt_sigtimedwait
    "syscall",
    "cmp eax, 2", // SIGINT
    "je 4f",
    "cmp eax, 15", // SIGTERM
    "je 4f",
    "cmp eax, 17", // SIGCHLD
    "jne 2b",
    "3:",
    "mov edi, -1",
    "xor esi, esi",
    "mov edx, 1", // WNOHANG
    "xor r10d, r10d",
    "mov eax, 61", // wait4
    "syscall",
    "test eax, eax",
    "jg 3b",
    "jmp 2b",
    "4:",
    "xor edi, edi",
    "mov eax, 60", // exit
    "syscall",
    ".globl gantry_pause_end",
    "gantry_pause_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata.gantry_pause, \"a\"",
    ".balign 4",
    ".globl gantry_pause_begin",
    "gantry_pause_begin:",
    "mov x9, #-1",
    "str x9, [sp, #-16]!",
    "mov x0, #0", // SIG_BLOCK
    "mov x1, sp",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #135", // rt_sigprocmask
    "svc #0",
    "2:",
    "mov x0, sp",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #137", // rt_sigtimedwait
    "svc #0",
    "cmp w0, #2", // SIGINT
    "b.eq 4f",
    "cmp w0, #15", // SIGTERM
    "b.eq 4f",
    "cmp w0, #17", // SIGCHLD
    "b.ne 2b",
    "3:",
    "mov x0, #-1",
    "mov x1, #0",
    "mov x2, #1", // WNOHANG
    "mov x3, #0",
    "mov x8, #260", // wait4
    "svc #0",
    "cmp w0, #0",
    "b.gt 3b",
    "b 2b",
    "4:",
    "mov x0, #0",
    "mov x8, #93", // exit
    "svc #0",
    ".globl gantry_pause_end",
    "gantry_pause_end:",
    ".popsection",
);

unsafe extern "C" {
    static gantry_pause_begin: u8;
    static gantry_pause_end: u8;
}

fn machine_code() -> &'static [u8] {
    let (begin, end) = (&raw const gantry_pause_begin, &raw const gantry_pause_end);
    // SAFETY: both symbols delimit one run of read-only bytes, assembled above into one section.
    unsafe { std::slice::from_raw_parts(begin, end.offset_from_unsigned(begin)) }
}

const ELF_HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const LOAD_ADDRESS: u64 = 0x40_0000;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// The program as a static ELF file for this machine.
pub fn pause_program() -> Vec<u8> {
    let machine = if cfg!(target_arch = "x86_64") { EM_X86_64 } else { EM_AARCH64 };
    let code = machine_code();
    let code_offset = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
    let file_bytes = code_offset + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |elf: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| elf.extend(v.to_le_bytes()));
    half(&mut elf, &[2, machine]); // ET_EXEC
    elf.extend(1u32.to_le_bytes()); // EV_CURRENT
    for value in [LOAD_ADDRESS + code_offset, ELF_HEADER_BYTES, 0] {
        elf.extend(value.to_le_bytes()); // entry, program headers, no section headers
    }
    elf.extend(0u32.to_le_bytes());
    half(&mut elf, &[64, 56, 1, 0, 0, 0]);
    elf.extend(1u32.to_le_bytes()); // PT_LOAD
    elf.extend(5u32.to_le_bytes()); // read and execute
    for value in [0, LOAD_ADDRESS, LOAD_ADDRESS, file_bytes, file_bytes, 0x1_0000] {
        elf.extend(value.to_le_bytes()); // offset, addresses, sizes, alignment
    }
    elf.extend(code);
    elf
}

/// Writes the image as an archive that [`crate::import`] loads.
pub fn write_pause_archive(path: &Path) -> io::Result<()> {
    let mut layer = Layer::new();
    layer.file("pause", 0o755, &pause_program())?;
    ImageBuilder::new(PAUSE_IMAGE).layer(layer).entrypoint(["/pause"]).user("65535:65535").write_to(path)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    use nix::{sys::signal, unistd::Pid};

    use super::*;

    fn started() -> (tempfile::TempDir, std::process::Child) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pause");
        std::fs::write(&path, pause_program()).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("made executable");
        (folder, Command::new(path).spawn().expect("the kernel takes the file"))
    }

    /// The only thing that the program sleeps in is waiting for signals.
    fn wait_until_asleep(pid: Pid) {
        let path = format!("/proc/{pid}/stat");
        while !std::fs::read_to_string(&path).expect("the process lives").contains("(pause) S") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_program_outlives_other_signals_and_ends_with_success_on_sigterm() {
        let (_folder, mut child) = started();
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
        wait_until_asleep(pid);
        for signal in [signal::Signal::SIGCHLD, signal::Signal::SIGHUP, signal::Signal::SIGTERM] {
            signal::kill(pid, signal).expect("sent");
        }
        let status = child.wait().expect("ended");
        assert_eq!(status.code(), Some(0), "{status:?}");
        assert!(pause_program().len() < 512);
    }
}
