//! The guestbook's entries: one line each, appended to a file.

use std::{fs::OpenOptions, io::Write};

use crate::http::Response;

const MAX_ENTRY_BYTES: usize = 1024;

/// Appends one entry (line breaks become blanks) and answers with it.
pub fn append(file: &str, entry: &[u8]) -> Response {
    if entry.is_empty() || entry.len() > MAX_ENTRY_BYTES {
        return Response::bad_request(&format!("an entry has 1 to {MAX_ENTRY_BYTES} bytes"));
    }
    let line: Vec<u8> =
        entry.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).chain([b'\n']).collect();
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut f| f.write_all(&line));
    match written {
        Ok(()) => Response::bytes(line),
        Err(error) => Response::bad_gateway(file, &error),
    }
}
