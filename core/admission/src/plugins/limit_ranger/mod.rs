//! Limit ranges of a namespace: what they give pods that state nothing, and what they let nobody exceed.
//!
//! Source: the reference's documentation of LimitRange; what was given stands in an annotation of the pod.

mod bounds;
mod demand;
mod given;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use gantry_kinds::{
    Members as _,
    fields::core_v1::{LimitRange, LimitRangeItem, LimitRangeSpec},
};
use gantry_meta::{Object, ObjectView as _, Status};

use crate::{Attributes, ClusterView, MutatingPlugin, Operation, ValidatingPlugin};

pub struct LimitRanger {
    view: Arc<dyn ClusterView>,
}

impl LimitRanger {
    pub fn new(view: Arc<dyn ClusterView>) -> Self {
        Self { view }
    }

    async fn ranges(&self, attributes: &Attributes<'_>) -> Result<Vec<Object>, Status> {
        self.view.list("", "limitranges", attributes.namespace).await
    }
}

/// The items of a limit range that are for one type (`Container`, `Pod`, `PersistentVolumeClaim`).
fn items<'a>(range: &'a Object, kind: &'a str) -> impl Iterator<Item = &'a Object> {
    let items = range.object(LimitRange::SPEC).into_iter().flat_map(|spec| spec.objects(LimitRangeSpec::LIMITS));
    items.filter(move |item| item.text(LimitRangeItem::TYPE) == kind)
}

fn is_pod(attributes: &Attributes<'_>) -> bool {
    let created = attributes.operation == Operation::Create && attributes.is("", "pods");
    created || (attributes.operation == Operation::Update && attributes.is_sub("", "pods", "resize"))
}

fn is_claim(attributes: &Attributes<'_>) -> bool {
    let written = matches!(attributes.operation, Operation::Create | Operation::Update);
    written && attributes.is("", "persistentvolumeclaims")
}

/// What is on its way out is not looked at.
fn is_going(old: Option<&Object>) -> bool {
    old.is_some_and(|old| old.is_terminating())
}

#[async_trait]
impl MutatingPlugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        is_pod(attributes)
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(pod) = object.filter(|_| !is_going(old)) else { return Ok(()) };
        for range in self.ranges(attributes).await? {
            given::complete(pod, &range);
        }
        Ok(())
    }
}

#[async_trait]
impl ValidatingPlugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        is_pod(attributes) || is_claim(attributes)
    }

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        let Some(object) = object.filter(|_| !is_going(old)) else { return Ok(()) };
        for range in self.ranges(attributes).await? {
            let mut broken = match is_claim(attributes) {
                true => bounds::of_claim(object, &range),
                false => bounds::of_pod(object, &range),
            };
            // Alike containers break a bound alike.
            let mut said = HashSet::new();
            broken.retain(|why| said.insert(why.clone()));
            match &broken[..] {
                [] => {}
                [one] => return Err(attributes.forbidden(one)),
                several => return Err(attributes.forbidden(format!("[{}]", several.join(", ")))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
