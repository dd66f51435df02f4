//! What a command tells its user on standard output. A reader that has left (`gantry ... | head`) is no error.

use std::{
    fmt::Display,
    io::{Write as _, stdout},
};

/// One line.
pub fn line(text: impl Display) {
    let _ = writeln!(stdout(), "{text}");
}
