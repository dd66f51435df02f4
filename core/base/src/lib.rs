//! What every process of ours starts with: telemetry, shutdown, configuration files, and where things lie on disk.

pub mod data_dir;
pub mod shutdown;
pub mod telemetry;

pub use data_dir::DataDir;
pub use shutdown::Shutdown;
