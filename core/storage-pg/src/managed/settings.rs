//! How the managed server is set up. Given on the command line at each start, so that a newer Gantry's settings hold on an
//! older folder.

use std::{path::Path, time::Duration};

/// What may differ between a production server and one for tests.
#[derive(Clone, Debug)]
pub struct ManagedOptions {
    pub max_connections: u32,
    pub shared_buffers_mb: u32,
    /// How long a start may take, crash recovery included.
    pub start_within: Duration,
}

impl Default for ManagedOptions {
    fn default() -> Self {
        Self { max_connections: 40, shared_buffers_mb: 128, start_within: Duration::from_secs(120) }
    }
}

/// `name=value` of each setting that differs from PostgreSQL's default, or must not.
pub(super) fn settings(options: &ManagedOptions, socket: &Path) -> Vec<String> {
    let sized = [
        format!("max_connections={}", options.max_connections),
        format!("shared_buffers={}MB", options.shared_buffers_mb),
        format!("unix_socket_directories={}", quoted(&socket.to_string_lossy())),
    ];
    let fixed = [
        // The way in is the socket alone.
        "listen_addresses=",
        "port=5432",
        "unix_socket_permissions=0700",
        // What is acknowledged is on disk.
        "fsync=on",
        "full_page_writes=on",
        "synchronous_commit=on",
        // Checkpoints rarely: each makes the next change of every page a full page in the log.
        "wal_buffers=16MB",
        "max_wal_size=2GB",
        "checkpoint_timeout=15min",
        "wal_compression=lz4",
        // One writer, short queries by key: nothing to plan in parallel or to compile.
        "jit=off",
        "max_parallel_workers_per_gather=0",
        "max_parallel_maintenance_workers=0",
        "plan_cache_mode=force_generic_plan",
        // The hot tables are small or append-only; look at them often and gently.
        "autovacuum_naptime=20s",
        "autovacuum_vacuum_insert_scale_factor=1.0",
        "update_process_title=off",
        "log_checkpoints=off",
        "log_autovacuum_min_duration=-1",
        "timezone=UTC",
        "log_timezone=UTC",
    ];
    sized.into_iter().chain(fixed.map(str::to_owned)).collect()
}

/// As an element of a list setting: a comma or a quote in a path is not the end of it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
