//! The gRPC API of Gantry, generated from `proto/`.

/// `gantry.v1`: resources and nodes.
pub mod v1 {
    tonic::include_proto!("gantry.v1");

    /// All descriptors of the package, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("gantry_v1");

    /// Metadata of a refused call: the Kubernetes Status as JSON.
    pub const STATUS_METADATA: &str = "kubernetes-status-bin";
}
