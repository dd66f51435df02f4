//! Turns the fact tables under `facts/` into Rust statics, so that the catalogue costs nothing at start.

use std::{env, fs, path::Path};

#[path = "build/conditions.rs"]
mod conditions;
#[path = "build/emit.rs"]
mod emit;
#[path = "build/literals.rs"]
mod literals;
#[path = "build/model.rs"]
mod model;
#[path = "build/names.rs"]
mod names;
#[path = "build/paths.rs"]
mod paths;
#[path = "build/resources.rs"]
mod resources;
#[path = "build/shapes.rs"]
mod shapes;
#[path = "build/tsv.rs"]
mod tsv;

fn main() {
    println!("cargo::rerun-if-changed=facts");
    println!("cargo::rerun-if-changed=build");
    let facts = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("facts");
    let schema = model::Schema::read(&facts);
    let groups = resources::read(&facts, &schema);
    let text = emit::rust(&facts, &schema, &groups);
    let out = env::var("OUT_DIR").expect("cargo sets it");
    for (file, text) in [("tables.rs", text), ("names.rs", names::rust(&schema))] {
        fs::write(Path::new(&out).join(file), text).expect("the build directory is writable");
    }
}
