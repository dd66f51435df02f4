//! The daemon against an API in memory and a real containerd.

mod images;
mod kubelet_api;
mod limits;
mod pods;
mod support;
