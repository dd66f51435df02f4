//! Daemon sets count the changes of their template in an annotation, from the days before generations.

use gantry_kinds::{
    Members as _,
    fields::{
        apps_v1::{DaemonSet, DaemonSetSpec},
        meta_v1::ObjectMeta,
    },
    path,
};
use gantry_meta::{Object, ObjectView as _, Value};

use super::{Strategy, generation::differs};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

pub(super) struct DaemonSets;

impl Strategy for DaemonSets {
    fn prepare_create(&self, new: &mut Object) {
        set(new, 1);
    }

    fn prepare_update(&self, subresource: &str, new: &mut Object, old: &Object) {
        fn template(set: &Object) -> Option<&Value> {
            set.at(path![DaemonSet::SPEC, DaemonSetSpec::TEMPLATE])
        }
        let changed = subresource.is_empty() && differs(template(new), template(old));
        set(new, template_generation(old) + i64::from(changed));
    }
}

fn template_generation(set: &Object) -> i64 {
    let annotation = set.annotations().and_then(|annotations| annotations.get(TEMPLATE_GENERATION));
    annotation.and_then(Value::as_str).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn set(set: &mut Object, generation: i64) {
    if let Some(annotations) = set.metadata_mut().made(ObjectMeta::ANNOTATIONS) {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
    }
}
