//! Endpoint slices: this version of the API keeps no topology of endpoints but their zones.

use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        discovery_v1::{Endpoint, EndpointSlice},
        meta_v1::ObjectMeta,
    },
};
use gantry_meta::Object;

use super::Strategy;

pub(super) struct EndpointSlices;

impl Strategy for EndpointSlices {
    fn prepare_create(&self, slice: &mut Object) {
        drop_topology(slice);
    }

    /// A topology that is stated makes a new generation all the same.
    fn drop_from_update(&self, new: &mut Object, old: &Object) {
        if new.member(EndpointSlice::ENDPOINTS) != old.member(EndpointSlice::ENDPOINTS) {
            drop_topology(new);
        }
    }

    /// The labels of a slice say whose endpoints it holds.
    fn counted_metadata(&self) -> &'static [FieldName] {
        &[ObjectMeta::LABELS]
    }
}

fn drop_topology(slice: &mut Object) {
    for endpoint in slice.objects_mut(EndpointSlice::ENDPOINTS) {
        endpoint.unset(Endpoint::DEPRECATED_TOPOLOGY);
    }
}
