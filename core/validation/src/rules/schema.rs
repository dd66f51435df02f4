//! What the field tables know of every kind: required texts and closed sets of values.

use gantry_kinds::{Field as Row, Shape, Type, catalog, fields::AnyObject};

use crate::field::{Causes, Field, Root};

/// Required texts that may be empty all the same.
const MAY_BE_EMPTY: [&str; 3] = ["audience", "caBundle", "storageClassName"];

/// Checks all members of an object but `metadata` and `status` by the table of its kind.
pub fn by_table(group: &str, resource: &str, object: Root<'_>, causes: &mut Causes) {
    let Some(resource) = catalog().preferred(group, resource) else { return };
    let version = object.member(AnyObject::API_VERSION).text();
    let served = catalog().resource(group, version.rsplit('/').next().unwrap_or_default(), &resource.plural);
    let ty: &'static Type = match catalog().type_named(&served.unwrap_or(resource).root.name) {
        Some(ty) => ty,
        None => return,
    };
    let members = ty.fields.iter().filter(|row| !matches!(&*row.name, "apiVersion" | "kind" | "metadata" | "status"));
    members.for_each(|row| member(row, &object.untyped_member(&row.name), causes));
}

fn member<'a>(row: &'a Row, field: &Field<'a>, causes: &mut Causes) {
    if !field.is_set() {
        if row.required && matches!(row.shape, Shape::String) {
            causes.required(field);
        }
        return;
    }
    let may_be_empty = MAY_BE_EMPTY.contains(&&*row.name);
    if row.required && matches!(row.shape, Shape::String) && field.text().is_empty() && !may_be_empty {
        return causes.required(field);
    }
    if row.closed && !row.allowed.is_empty() {
        closed(row, field, causes);
    }
    below(&row.shape, field, causes);
}

fn closed(row: &Row, field: &Field<'_>, causes: &mut Causes) {
    let allowed: Vec<&str> = row.allowed.iter().map(|value| &**value).collect();
    let values = field.items().chain(field.value().filter(|value| value.is_string()).map(|_| field.clone()));
    for value in values.filter(|value| !value.text().is_empty()) {
        // Items are reported at their list.
        causes.one_of(&value.reported_at(field), &allowed);
    }
}

fn below<'a>(shape: &'a Shape, field: &Field<'a>, causes: &mut Causes) {
    match shape {
        Shape::Struct(ty) => ty.fields.iter().for_each(|row| member(row, &field.untyped_member(&row.name), causes)),
        Shape::List(item) if item.as_struct().is_some() => field.items().for_each(|one| below(item, &one, causes)),
        Shape::Map(value) if value.as_struct().is_some() => {
            field.entries().for_each(|(_, one)| below(value, &one, causes));
        }
        _ => {}
    }
}
