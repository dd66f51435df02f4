//! Leadership by the database's clock.

use std::time::Duration;

use gantry_storage::{Lease, LeaseError};
use sqlx::PgPool;

pub(crate) async fn acquire(
    pool: &PgPool,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Option<Lease>, LeaseError> {
    let query = sqlx::query_scalar("SELECT lease_acquire($1, $2, make_interval(secs => $3))");
    let query = query.bind(name).bind(holder).bind(ttl.as_secs_f64());
    let token: Option<i64> = query.fetch_one(pool).await.map_err(unavailable)?;
    let lease = |token: i64| Lease { name: name.to_owned(), holder: holder.to_owned(), token: token.cast_unsigned() };
    Ok(token.map(lease))
}

pub(crate) async fn release(pool: &PgPool, lease: &Lease) -> Result<(), LeaseError> {
    // Without a holder, so that even the same one gets a new token next time.
    let text = "UPDATE leases SET holder = '', until = clock_timestamp() WHERE name = $1 AND token = $2";
    let query = sqlx::query(text).bind(&lease.name).bind(lease.token.cast_signed());
    query.execute(pool).await.map(drop).map_err(unavailable)
}

fn unavailable(error: sqlx::Error) -> LeaseError {
    LeaseError::Unavailable(error.into())
}
