//! Writes the OpenAPI documents into a folder: `cargo run -p gantry-codec --example openapi -- openapi`.

use gantry_kinds::catalog;
use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "openapi".to_owned()));
    for (name, document) in gantry_codec::openapi::published(catalog()) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        fs::write(file, format!("{document:#}\n"))?;
    }
    Ok(())
}
