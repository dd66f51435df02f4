//! A cluster of a few objects of one resource, for the tests of plugins.

use async_trait::async_trait;
use gantry_meta::{Object, ObjectView, Status};
use serde_json::Value;

use crate::ClusterView;

pub(super) struct Stored {
    resource: &'static str,
    objects: Vec<Object>,
}

impl Stored {
    pub fn new(resource: &'static str, objects: &[Value]) -> Self {
        Self { resource, objects: objects.iter().filter_map(|o| o.as_object().cloned()).collect() }
    }
}

#[async_trait]
impl ClusterView for Stored {
    async fn get(&self, _: &str, resource: &str, _: &str, name: &str) -> Result<Option<Object>, Status> {
        let of_resource = self.objects.iter().filter(|_| resource == self.resource);
        Ok(of_resource.into_iter().find(|object| object.name() == name).cloned())
    }

    async fn get_newest(
        &self,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Status> {
        self.get(group, resource, namespace, name).await
    }

    async fn list(&self, _: &str, resource: &str, _: &str) -> Result<Vec<Object>, Status> {
        Ok(self.objects.iter().filter(|_| resource == self.resource).cloned().collect())
    }
}
