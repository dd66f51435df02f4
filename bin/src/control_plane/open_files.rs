//! How many files the process may have open.

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

/// Enough for tens of thousands of connections. What is started from here inherits the limit, and some programs go through all
/// descriptors up to it.
const WANTED: u64 = 1 << 16;

/// Raises the soft limit, which is 1,024 in a common shell: over HTTP/1.1 each watch is a connection of its own. A hard limit
/// below is kept.
pub(super) fn raise_limit() {
    if let Err(errno) = raise() {
        tracing::warn!(%errno, "the limit of open files cannot be raised: many clients may be turned away");
    }
}

fn raise() -> Result<(), Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = WANTED.min(hard);
    if soft < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_soft_limit_is_raised_as_far_as_the_hard_one_allows() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(1000), hard).unwrap();
        raise_limit();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard.min(WANTED), hard));
    }
}
