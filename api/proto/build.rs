//! Generates the gRPC code from proto/ without protoc, and keeps the descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 2] = ["gantry/v1/resources.proto", "gantry/v1/nodes.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out: PathBuf = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?.into();
    fs::write(out.join("gantry_v1.bin"), descriptors.encode_to_vec())?;
    // A start is large beside a stop.
    let generator = tonic_prost_build::configure().bytes(".").boxed(".gantry.v1.WatchCommand.command.start");
    generator.compile_fds(descriptors)?;
    Ok(())
}
