//! The last words of a container: its termination message file, or the end of its log.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use gantry_cri::api;

use super::labels;

/// More of a message is cut off.
const MAX_MESSAGE_BYTES: u64 = 4096;
/// What is shown of a log.
const MAX_LOG_BYTES: usize = 2048;
const MAX_LOG_LINES: usize = 80;

/// The message of a container that has ended, empty if it left none.
pub fn message(status: &api::ContainerStatus) -> String {
    let text = |key: &str| status.annotations.get(key).map(String::as_str).unwrap_or_default();
    let message = read_message(Path::new(text(labels::TERMINATION_FILE)));
    let use_log = text(labels::TERMINATION_POLICY) == "FallbackToLogsOnError" && status.exit_code != 0;
    if message.is_empty() && use_log { end_of_log(Path::new(&status.log_path)) } else { message }
}

fn read_message(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_MESSAGE_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn end_of_log(path: &Path) -> String {
    let text = read_end(path, 4 * MAX_LOG_BYTES as u64).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).collect();
    let mut kept = lines[lines.len().saturating_sub(MAX_LOG_LINES)..].join("\n");
    if !kept.is_empty() {
        kept.push('\n');
    }
    let mut cut = kept.len().saturating_sub(MAX_LOG_BYTES);
    while !kept.is_char_boundary(cut) {
        cut += 1;
    }
    kept.split_off(cut)
}

fn read_end(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}
