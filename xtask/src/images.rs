//! The images of the examples and tests: no registry is needed to see Gantry work.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{artifacts, packages, shell};

pub fn run(arguments: &[String]) -> Result<()> {
    packages::install_missing()?;
    let into = match arguments.first() {
        Some(dir) => PathBuf::from(dir),
        None => artifacts::target_dir()?.join("images"),
    };
    build(&into)?;
    println!("{}", into.display());
    Ok(())
}

/// Writes the archives `busybox.tar` and `web.tar` into `into`.
pub fn build(into: &Path) -> Result<()> {
    shell::step("building the example images");
    std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let web = build_web_server()?;
    let mut pack = shell::cargo(&["run", "--quiet", "--package", "gantry-example-images", "--"]);
    pack.arg(into).arg(web);
    shell::run(&mut pack)
}

/// Linked statically, so that the image needs no C library.
fn build_web_server() -> Result<PathBuf> {
    let arguments = [
        "rustc",
        "--quiet",
        "--package",
        "gantry-example-web",
        "--release",
        "--",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "strip=symbols",
    ];
    shell::run(&mut shell::cargo(&arguments))?;
    Ok(artifacts::target_dir()?.join("release/web"))
}
