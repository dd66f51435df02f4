//! The schema, embedded.

use sqlx::{
    PgConnection, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// Number, name and text of each file of `/migrations`.
pub(crate) const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "store_create", include_str!("../../../migrations/0001_store_create.sql")),
    (2, "batch_apply_single", include_str!("../../../migrations/0002_batch_apply_single.sql")),
    (3, "batch_apply_whole", include_str!("../../../migrations/0003_batch_apply_whole.sql")),
];

/// Brings the database up to date. Replicas that start at once take turns (an advisory lock of sqlx's).
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(migration).into()).run_direct(None, connection, false).await
}
