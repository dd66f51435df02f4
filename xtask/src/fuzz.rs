//! `cargo xtask fuzz`: the targets under fuzz/, on the stable toolchain.

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Coverage for libFuzzer, as cargo-fuzz asks the compiler for it, but for the sanitizers that only nightly has.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";
const SECONDS: u64 = 300;
const TIMEOUT_SECONDS: u64 = 1;
const MEMORY_MB: u64 = 1024;
const INPUT_MAX_BYTES: u64 = 64 * 1024;

/// `[TARGET] [SECONDS]`: one target or all, each for so long.
pub fn run(arguments: &[String]) -> Result<()> {
    let (mut target, mut seconds) = (None, SECONDS);
    for argument in arguments {
        match argument.parse() {
            Ok(number) => seconds = number,
            Err(_) => target = Some(argument.clone()),
        }
    }
    let all = targets()?;
    let chosen = match target {
        Some(target) if all.contains(&target) => vec![target],
        Some(target) => bail!("no target {target:?}; there are {}", all.join(", ")),
        None => all,
    };
    chosen.iter().try_for_each(|target| fuzz(target, seconds))
}

fn targets() -> Result<Vec<String>> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        names.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Fails if the target panics, hangs, or takes too much memory; the input that did it is under fuzz/artifacts.
fn fuzz(target: &str, seconds: u64) -> Result<()> {
    println!("fuzz {target} for {seconds} s");
    let (corpus, artifacts) = (format!("fuzz/corpus/{target}"), format!("fuzz/artifacts/{target}/"));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(shell::root().join(folder)).with_context(|| folder.clone())?;
    }
    let package = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", "fuzz/target", "--bin", target];
    // With a target, the flags are for what runs, and not for build scripts.
    let version = shell::output(&mut shell::command("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let mut command = shell::cargo(&["run", "--release", "--quiet"]);
    command.args(["--target", host]).args(package).args(["--", &corpus]).env("RUSTFLAGS", FLAGS);
    command.args([
        format!("-artifact_prefix={artifacts}"),
        format!("-max_total_time={seconds}"),
        format!("-timeout={TIMEOUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-max_len={INPUT_MAX_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ]);
    shell::run(&mut command)
}
