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
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: String =
        lines[lines.len().saturating_sub(MAX_LOG_LINES)..].iter().filter_map(|l| output(l)).collect();
    let mut cut = kept.len().saturating_sub(MAX_LOG_BYTES);
    while !kept.is_char_boundary(cut) {
        cut += 1;
    }
    kept.split_off(cut)
}

/// What a container wrote, of one line of its log: `TIME STREAM TAGS TEXT`. The tag `P` is for a piece that no line ends.
fn output(line: &str) -> Option<String> {
    let mut parts = line.splitn(4, ' ').skip(2);
    let (tags, text) = (parts.next()?, parts.next()?);
    let ends_a_line = tags.split(':').next() != Some("P");
    Some(if ends_a_line { format!("{text}\n") } else { text.to_owned() })
}

fn read_end(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_ends_as_the_container_ended_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("0.log");
        std::fs::write(&log, "T stdout F first\nT stderr P DO\nT stderr P NE\n").expect("written");
        assert_eq!(end_of_log(&log), "first\nDONE");
        std::fs::write(&log, "T stdout F  a b\n").expect("written");
        assert_eq!(end_of_log(&log), " a b\n");
    }
}
