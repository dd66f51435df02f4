//! A real server in a folder of its own, as root and as a plain user alike.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

use gantry_storage_pg::{ManagedOptions, ManagedPostgres};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

async fn start(dir: &Path) -> ManagedPostgres {
    ManagedPostgres::start(dir, &ManagedOptions { shared_buffers_mb: 16, ..ManagedOptions::default() }).await.unwrap()
}

async fn value(server: &ManagedPostgres, query: &'static str) -> String {
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

/// Waits until a killed process is gone (its parent, this test, reaps it).
async fn gone(pid: u32) {
    while Path::new(&format!("/proc/{pid}")).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_starts_on_nothing_is_taken_over_while_it_runs_and_keeps_its_data_over_a_stop() {
    // Where the tests run as root, the server's account cannot pass through this, as it could not through /root.
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let folder = dir.path().join("postgres");
    let first = start(&folder).await;
    assert_eq!(value(&first, "SELECT current_setting('fsync') || current_setting('full_page_writes')").await, "onon");
    let mut connection = PgConnection::connect(first.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept AS SELECT 'yes' AS v").execute(&mut connection).await.unwrap();
    let second = start(&folder).await;
    assert_eq!((second.pid(), second.reused()), (first.pid(), true));
    second.stop().await.unwrap();
    let third = start(&folder).await;
    assert_eq!(value(&third, "SELECT v FROM kept").await, "yes");
    third.stop().await.unwrap();
    assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o700, "the folder's folder is left alone");
}

#[tokio::test]
async fn what_a_killed_server_left_behind_does_not_keep_the_next_from_starting() {
    let dir = TempDir::new().unwrap();
    let killed = start(dir.path()).await;
    value(&killed, "SELECT 'warm'").await;
    let pid = nix::unistd::Pid::from_raw(killed.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    gone(killed.pid()).await;
    let next = start(dir.path()).await;
    assert!(!next.reused());
    assert_eq!(value(&next, "SELECT 'back'").await, "back");
    next.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_that_names_a_foreign_process_is_stale() {
    let dir = TempDir::new().unwrap();
    start(dir.path()).await.stop().await.unwrap();
    let text = format!("{}\n{}\n0\n5432\n\n\n1 1\nready\n", std::process::id(), dir.path().join("data").display());
    std::fs::write(dir.path().join("data/postmaster.pid"), text).unwrap();
    let next = start(dir.path()).await;
    assert_ne!(next.pid(), std::process::id());
    next.stop().await.unwrap();
}
