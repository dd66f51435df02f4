//! The controllers of service discovery: EndpointSlice, and the older Endpoints.
//!
//! Both look at the same picture ([`backends`]): which pods stand behind a service, on which ports.

pub mod backends;
pub mod endpoint_slices;
pub mod endpoints;
pub mod model;

pub use endpoint_slices::EndpointSliceController;
pub use endpoints::EndpointsController;

gantry_plugin::export!(EndpointSliceController: Controller, EndpointsController: Controller);
