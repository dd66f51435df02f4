//! Connecting, and refusing databases that would not keep what they acknowledge.

use std::{str::FromStr, time::Duration};

use sqlx::{ConnectOptions, Connection, PgConnection, migrate::MigrateError, postgres::PgConnectOptions};
use thiserror::Error;

use crate::migrations;

/// How long a connection may take to come about.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the database URL is not valid")]
    Url(#[source] sqlx::Error),
    #[error("PostgreSQL is unavailable")]
    Unavailable(#[source] sqlx::Error),
    #[error("PostgreSQL refuses the connection: check user, password and database of the URL")]
    Refused(#[source] sqlx::Error),
    #[error("PostgreSQL runs with {setting} = {value}: it would lose acknowledged writes. Set it to on")]
    NotDurable { setting: &'static str, value: String },
    #[error("PostgreSQL 15 or later is needed; this is {0}")]
    TooOld(String),
    #[error("the database has the encoding {0}; make one with ENCODING 'UTF8'")]
    Encoding(String),
    #[error("the database could not be brought up to date")]
    Migration(#[source] MigrateError),
}

/// Settings of every session: short queries by key, planned once. Without statistics (a table that was empty a moment ago)
/// the planner would take scans, and keep the plan; the only orderly scan is that of a snapshot, which has no index to use.
const SESSION: [(&str, &str); 8] = [
    ("default_transaction_isolation", "read committed"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

pub(crate) fn options(url: &str) -> Result<PgConnectOptions, ConnectError> {
    // sqlx takes any scheme for its own.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let wanted = "it begins with postgres:// or postgresql://";
        return Err(ConnectError::Url(sqlx::Error::Configuration(wanted.into())));
    }
    let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?;
    Ok(options.application_name("gantry").options(SESSION).disable_statement_logging())
}

pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(CONNECT_PATIENCE, PgConnection::connect_with(options)).await {
        Ok(connected) => connected,
        Err(late) => Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, late))),
    }
}

/// Class 28 is "invalid authorization specification", 3D "invalid catalog name": they do not become better by waiting.
fn refused_or_unavailable(error: sqlx::Error) -> ConnectError {
    let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default();
    match code.starts_with("28") || code.starts_with("3D") {
        true => ConnectError::Refused(error),
        false => ConnectError::Unavailable(error),
    }
}

/// Checks the server and migrates the database.
pub(crate) async fn prepare(options: &PgConnectOptions) -> Result<(), ConnectError> {
    let mut connection = connect(options).await.map_err(refused_or_unavailable)?;
    check(&mut connection).await?;
    migrations::migrate(&mut connection).await.map_err(ConnectError::Migration)?;
    connection.close().await.map_err(ConnectError::Unavailable)
}

async fn check(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let version: String = setting(connection, "server_version_num").await?;
    if version.parse().is_ok_and(|number: u32| number < 150_000) {
        return Err(ConnectError::TooOld(setting(connection, "server_version").await?));
    }
    let encoding = setting(connection, "server_encoding").await?;
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding(encoding));
    }
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value = setting(connection, name).await?;
        if value == "off" {
            return Err(ConnectError::NotDurable { setting: name, value });
        }
    }
    Ok(())
}

async fn setting(connection: &mut PgConnection, name: &str) -> Result<String, ConnectError> {
    let query = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
    query.fetch_one(connection).await.map_err(ConnectError::Unavailable)
}
