//! The controllers of service discovery: EndpointSlice, the older Endpoints, and what mirrors those that users made.
//!
//! The first two look at the same picture ([`backends`]): which pods stand behind a service, on which ports.

pub mod backends;
pub mod endpoint_slices;
pub mod endpoints;
pub mod mirroring;
pub mod model;
pub mod slices;

pub use endpoint_slices::EndpointSliceController;
pub use endpoints::EndpointsController;
pub use mirroring::EndpointSliceMirroringController;

gantry_plugin::export!(
    EndpointSliceController: Controller,
    EndpointSliceMirroringController: Controller,
    EndpointsController: Controller
);
