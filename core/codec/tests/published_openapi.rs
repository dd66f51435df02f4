//! The specifications under `openapi/` are those that the server serves, so that a change of the API shows in a review.

use gantry_kinds::catalog;
use std::{collections::BTreeSet, fs, path::Path};

const AGAIN: &str = "run `cargo xtask openapi` and commit the result";

#[test]
fn published_specifications_are_what_the_server_serves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi");
    let mut served = BTreeSet::new();
    for (name, document) in gantry_codec::openapi::published(catalog()) {
        let file = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(file == format!("{document:#}\n"), "openapi/{name} is not what is served: {AGAIN}");
        served.insert(name);
    }
    for entry in fs::read_dir(folder.join("v3")).expect("openapi/v3 is there") {
        let name = format!("v3/{}", entry.expect("readable").file_name().to_string_lossy());
        assert!(served.contains(&name), "openapi/{name} is no longer served: {AGAIN}");
    }
}
