//! Paired benchmarks: what the bench package measures, built as users run it.

use anyhow::Result;

use crate::{
    artifacts::{self, Profile},
    images, packages, shell,
};

pub fn run(arguments: &[String]) -> Result<()> {
    packages::install_missing()?;
    packages::install_peers()?;
    let built = artifacts::build(Profile::Release)?;
    images::build(&artifacts::target_dir()?.join("images"))?;
    let mut bench = shell::cargo(&["run", "--quiet", "--release", "--package", "gantry-bench", "--"]);
    shell::run(bench.args(arguments).env("GANTRY_BIN_DIR", built))
}
