//! The REST door: HTTP requests become [`gantry_registry::ApiRequest`]s, answers become bytes in the form the client takes.

mod accept;
mod path;
mod query;

pub use accept::{Accepted, Encoding, Form, Offer, ViewVersion, error_encoding, negotiate, wants_aggregated_discovery};
pub use path::{ApiPath, ResourcePath};
pub use query::{Query, delete_options, get_options, list_options, write_options};
