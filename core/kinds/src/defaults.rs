//! What decoding fills in by what else a struct holds: the rows of the defaults table that have a condition.

use crate::literal::{List, Literal, Text};
use gantry_meta::{Object, Value};

/// A row of the defaults table that applies where its condition holds.
#[derive(Clone, Debug)]
pub struct ConditionalDefault {
    /// Looked at before the unconditional defaults of the same struct, as it asks what the client gave.
    pub first: bool,
    /// Written whatever stands there.
    pub always: bool,
    /// A zero stands for an absent value, as it is always written.
    pub zero_is_unset: bool,
    /// All of these hold.
    pub when: List<When>,
    /// From the struct that the row is about down to the field; structs on the way are made, lists are filled item by item.
    pub path: List<Text>,
    pub value: DefaultValue,
}

/// What must be so of a member of the struct that a default is about.
#[derive(Clone, Debug)]
pub enum When {
    Set(Text),
    /// Absent, null, an empty text or an empty list.
    Unset(Text),
    OneOf(Text, List<Text>),
}

/// Where a default comes from.
#[derive(Clone, Debug)]
pub enum DefaultValue {
    Constant(Literal),
    /// What stands at this path, if anything does.
    Copy(List<Text>),
    /// The time of the request.
    Now,
    /// None: the field is taken away.
    Removed,
}

impl ConditionalDefault {
    /// Whether the condition holds for a struct of the type that the row is about.
    pub fn applies_to(&self, object: &Object) -> bool {
        self.when.iter().all(|when| when.holds(object))
    }

    /// Whether the default takes the place of a value.
    pub fn replaces(&self, value: Option<&Value>) -> bool {
        match value {
            _ if self.always => true,
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => self.zero_is_unset && text.is_empty(),
            Some(Value::Number(number)) => self.zero_is_unset && number.as_i64() == Some(0),
            Some(_) => false,
        }
    }
}

impl When {
    fn holds(&self, object: &Object) -> bool {
        match self {
            When::Set(name) => is_set(object.get(&**name)),
            When::Unset(name) => !is_set(object.get(&**name)),
            When::OneOf(name, texts) => {
                let given = object.get(&**name).and_then(Value::as_str);
                given.is_some_and(|given| texts.iter().any(|text| text == given))
            }
        }
    }
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}
