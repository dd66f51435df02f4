//! Clients that nobody here wrote, against one control plane.

mod kube_rs;
mod programs;
