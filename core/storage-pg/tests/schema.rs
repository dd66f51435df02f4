//! `migrations/schema.sql` is what the migrations add up to. `UPDATE_SCHEMA=1` writes it anew.

use std::process::Command;

use gantry_storage_pg::testing::TestDatabase;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/schema.sql");

/// Definitions only: no comments, no session settings, no blank lines.
fn definitions(dump: &str) -> String {
    let noise = ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"];
    let mut in_function = false;
    let kept = dump.lines().filter(|line| {
        in_function ^= line.matches("$_$").count() % 2 == 1 || line.matches("$$").count() % 2 == 1;
        in_function || !(line.trim().is_empty() || noise.iter().any(|n| line.starts_with(n)))
    });
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn the_written_schema_is_what_the_migrations_make() {
    let database = TestDatabase::create().await;
    // The log's ranges are made as revisions come; the table of migrations is sqlx's.
    let leave_out = ["--exclude-table=changes_?_*", "--exclude-table=_sqlx_migrations"];
    let mut command = Command::new(gantry_storage_pg::managed::program("pg_dump").expect("pg_dump is installed"));
    command.args(["--schema-only", "--no-owner", "--no-privileges"]).args(leave_out).arg(database.url());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = definitions(&String::from_utf8(output.stdout).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, &made).unwrap();
    }
    let written = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(written == made, "run this test with UPDATE_SCHEMA=1 and look at the difference");
}
