//! The REST door over TLS, as any client sees it, on the memory store.

mod audit;
mod connect;
mod deletions;
mod escalation;
mod lists;
mod lives;
mod paths;
mod requests;
mod rules;
mod services;
mod sockets;
mod support;
mod watches;
