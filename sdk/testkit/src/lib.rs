//! Plugin libraries for integration tests. Cargo cannot name a dynamic library as a dependency of a test, so the test asks for
//! it to be built.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Builds the dynamic library of a package of this workspace, as the running test was built, and returns its path.
///
/// # Panics
/// The package does not build, or it has no dynamic library.
pub fn plugin_library(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["build", "--quiet", "--message-format=json", "--package", package])
        .env("CARGO_TARGET_DIR", target_dir())
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{package} does not build: {}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).expect("cargo writes UTF-8");
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let libraries = artifacts.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let name = format!("lib{}.so", package.replace('-', "_"));
    let mut paths = libraries.filter_map(|file| file.as_str().map(PathBuf::from));
    paths.rfind(|path| path.ends_with(&name)).unwrap_or_else(|| panic!("{package} has no {name}"))
}

/// The folder above `debug/deps/TEST`.
fn target_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(3).expect("tests lie in target/PROFILE/deps").to_owned()
}

/// Compiles a C file to a shared library in `out`, with more arguments for the compiler.
///
/// # Panics
/// It does not compile.
pub fn c_library(source: &Path, include: &Path, out: &Path, arguments: &[&str]) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-O1", "-I"]).arg(include);
    let built = command.arg(source).arg("-o").arg(out).args(arguments).output().expect("a C compiler is needed");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}
