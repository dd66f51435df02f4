//! JSON as it stands in annotations: members in the order of the reference's types, which clients compare as text.

use gantry_kinds::FieldName;
use gantry_meta::{Object, Value};

/// How a member is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As it is, maps by their keys.
    Plain,
    /// The members named first and in this order, each as it is.
    Ordered(&'static [FieldName]),
}

/// An object that is being written, member by member.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds a member whose value is JSON text already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&format!("{}:{json}", Value::from(name)));
    }

    pub fn member(&mut self, name: &str, value: &Value, form: Form) {
        self.raw(name, &written(value, form));
    }

    pub fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

fn written(value: &Value, form: Form) -> String {
    let (Form::Ordered(order), Value::Object(members)) = (form, value) else { return value.to_string() };
    let mut text = Text::default();
    let first = order.iter().filter_map(|name| members.get_key_value(name.as_str()));
    let others = members.iter().filter(|(name, _)| order.iter().all(|first| first.as_str() != name.as_str()));
    first.chain(others).for_each(|(name, value)| text.member(name, value, Form::Plain));
    text.finish()
}

/// `[a,b]`
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// A member, whatever the case of its name: some annotations come from types whose names begin with a capital.
pub(super) fn any_case(object: &Object, name: FieldName) -> Option<&Value> {
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_str()));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}
