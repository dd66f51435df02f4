//! Values that the server fills in when a body is decoded (stage `decode` of `defaults.tsv`).
//!
//! Rows without a condition are applied by one walk over the tree, wherever their type occurs; rows with one are small
//! functions in the module of their group. What is filled in on create or by admission is done there, not here.

mod apps;
mod batch;
mod core_group;
mod image;
mod network;
mod others;
mod pod;

use gantry_kinds::{Field, Shape, Type};
use gantry_meta::{Object, Value};
use jiff::Timestamp;

/// What defaults may depend on besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    pub now: Timestamp,
}

/// A conditional row: changes one struct.
type Rule = fn(&mut Object, &Surroundings);

/// Fills in what is unset, as decoding does for every body and every stored object. The object is in canonical form before
/// and after.
pub fn apply_defaults(ty: &Type, object: &mut Object, surroundings: &Surroundings) {
    if !ty.reaches_defaults {
        return;
    }
    if let Some(rule) = rule_before(ty.short_name()) {
        rule(object, surroundings);
    }
    members(ty, object, surroundings);
    for field in ty.defaulted() {
        fill_plain(field, object, surroundings);
    }
    if let Some(rule) = rule_after(&ty.name) {
        rule(object, surroundings);
    }
}

/// What lies below a struct, but none of its own members.
fn members(ty: &Type, object: &mut Object, surroundings: &Surroundings) {
    for (name, value) in object.iter_mut() {
        if let Some(field) = ty.field(name) {
            below(&field.shape, value, surroundings);
        }
    }
}

fn below(shape: &Shape, value: &mut Value, surroundings: &Surroundings) {
    match (shape, value) {
        // A CronJob's template gets the defaults of what is below a job's specification, none of its own.
        (Shape::Struct(ty), Value::Object(template)) if ty.name == "io.k8s.api.batch.v1.JobTemplateSpec" => {
            let spec = template.get_mut("spec").and_then(Value::as_object_mut);
            if let (Some(job), Some(spec)) = (ty.descend(&["spec"]), spec) {
                members(job, spec, surroundings);
            }
        }
        // What an attachment says of its volume is no PersistentVolume: it has no policy and no mode.
        (Shape::Struct(ty), Value::Object(source)) if ty.name == "io.k8s.api.storage.v1.VolumeAttachmentSource" => {
            let inline = source.get_mut("inlineVolumeSpec").and_then(Value::as_object_mut);
            let ty = ty.field("inlineVolumeSpec").and_then(|field| field.shape.as_struct());
            if let (Some(ty), Some(inline)) = (ty, inline) {
                members(ty, inline, surroundings);
            }
        }
        (Shape::Struct(ty), Value::Object(members)) => apply_defaults(ty, members, surroundings),
        (Shape::List(item), Value::Array(items)) if item.leaf_type().is_some_and(|t| t.reaches_defaults) => {
            items.iter_mut().for_each(|v| below(item, v, surroundings));
        }
        (Shape::Map(inner), Value::Object(members)) if inner.leaf_type().is_some_and(|t| t.reaches_defaults) => {
            members.values_mut().for_each(|v| below(inner, v, surroundings));
        }
        _ => {}
    }
}

fn fill_plain(field: &Field, object: &mut Object, surroundings: &Surroundings) {
    let Some(default) = &field.default else { return };
    if !is_unset(field, object.get(&*field.name)) {
        return;
    }
    let mut value = default.to_value();
    below(&field.shape, &mut value, surroundings);
    object.insert(field.name.clone().into_owned(), value);
}

/// Fields that are always written carry their zero while unset, unless they are pointers.
fn is_unset(field: &Field, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(_) if field.emitted.is_none() || field.pointer => false,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(_) => false,
    }
}

/// Rules that must see what the client gave, before plain rows fill it in.
fn rule_before(short_name: &str) -> Option<Rule> {
    match short_name {
        "JobSpec" => Some(batch::job_spec),
        "StatefulSetUpdateStrategy" => Some(apps::stateful_set_update_strategy),
        _ => None,
    }
}

/// Rules that build on the plain rows of the same struct.
fn rule_after(name: &str) -> Option<Rule> {
    let (package, short) = name.rsplit_once('.')?;
    match package {
        "io.k8s.api.core.v1" => {
            core_group::rule(short).or_else(|| pod::rule(short)).or_else(|| network::service_rule(short))
        }
        "io.k8s.api.apps.v1" => apps::rule(short),
        "io.k8s.api.batch.v1" => batch::rule(short),
        "io.k8s.api.networking.v1" => network::rule(short),
        other => others::rule(other, short),
    }
}

/// Sets a member that is absent.
fn set_if_absent(object: &mut Object, name: &str, value: impl Into<Value>) {
    if object.get(name).is_none_or(Value::is_null) {
        object.insert(name.to_owned(), value.into());
    }
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A struct member, made empty where it is absent.
fn member<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    let value = object.entry(name).or_insert_with(|| Value::Object(Object::new()));
    if value.is_null() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut()
}

/// The objects of a list member.
fn items<'a>(object: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> + use<'a> {
    object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The labels of the object, if it has none yet, become those of the pod template under `spec`.
fn labels_from_template(object: &mut Object) {
    let labels = object.get("spec").and_then(|s| s.pointer("/template/metadata/labels")).cloned();
    if let (Some(labels), Some(metadata)) = (labels, member(object, "metadata")) {
        set_if_absent(metadata, "labels", labels);
    }
}

#[cfg(test)]
mod rows;
#[cfg(test)]
mod tests;
