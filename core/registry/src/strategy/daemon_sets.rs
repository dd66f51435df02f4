//! Daemon sets count the changes of their template in an annotation, from the days before generations.

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
            set.get("spec")?.get("template")
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
    let annotations = set.metadata_mut().entry("annotations").or_insert_with(|| Value::Object(Object::new()));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
    }
}
