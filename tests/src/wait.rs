//! Waiting for conditions that only asking can tell.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until the answer is `Ok(Some(_))`; gives up after `limit` with the last reason.
///
/// # Errors
/// When the limit is over: `what`, and the last error.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(20);
    loop {
        let last = match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            match last {
                Some(error) => bail!("{what}: not within {limit:?}: {error:#}"),
                None => bail!("{what}: not within {limit:?}"),
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
