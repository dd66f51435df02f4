//! Endpoint slices: this version of the API keeps no topology of endpoints but their zones.

use gantry_meta::{Object, Value};

use super::Strategy;

pub(super) struct EndpointSlices;

impl Strategy for EndpointSlices {
    fn prepare_create(&self, slice: &mut Object) {
        drop_topology(slice);
    }

    /// A topology that is stated makes a new generation all the same.
    fn drop_from_update(&self, new: &mut Object, old: &Object) {
        if new.get("endpoints") != old.get("endpoints") {
            drop_topology(new);
        }
    }

    /// The labels of a slice say whose endpoints it holds.
    fn counted_metadata(&self) -> &'static [&'static str] {
        &["labels"]
    }
}

fn drop_topology(slice: &mut Object) {
    let endpoints = slice.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten();
    for endpoint in endpoints.filter_map(Value::as_object_mut) {
        endpoint.remove("deprecatedTopology");
    }
}
