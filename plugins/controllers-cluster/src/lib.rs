//! The controllers that keep a cluster in order: namespaces, garbage, accounts, nodes, pods that nobody ends,
//! volumes, flow schemas.

pub mod flow_schema;
pub mod garbage;
pub mod namespace;
pub mod node;
pub mod pod_gc;
pub mod root_ca;
pub mod service_account;
pub mod taint_eviction;
pub mod volumes;

pub use flow_schema::FlowSchemaController;
pub use garbage::GarbageCollector;
pub use namespace::NamespaceController;
pub use node::NodeController;
pub use pod_gc::PodGarbageCollector;
pub use root_ca::RootCaPublisher;
pub use service_account::ServiceAccountController;
pub use taint_eviction::TaintEvictionController;
pub use volumes::{ClaimProtection, ClassProtection, PersistentVolumeBinder, VolumeProtection};

gantry_plugin::export!(
    NamespaceController: Controller,
    GarbageCollector: Controller,
    ServiceAccountController: Controller,
    RootCaPublisher: Controller,
    NodeController: Controller,
    TaintEvictionController: Controller,
    PodGarbageCollector: Controller,
    PersistentVolumeBinder: Controller,
    VolumeProtection: Controller,
    ClaimProtection: Controller,
    ClassProtection: Controller,
    FlowSchemaController: Controller,
);
