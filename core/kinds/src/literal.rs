//! Names, lists and constants of the tables.

use serde_json::Value;
use std::borrow::Cow;

/// A name: static for built-in kinds, owned for those made at run time.
pub type Text = Cow<'static, str>;

/// A list: static for built-in kinds, owned for those made at run time.
pub type List<T> = Cow<'static, [T]>;

/// A constant of the tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Text(Text),
    EmptyObject,
    EmptyList,
    Object(List<(Text, Literal)>),
    List(List<Literal>),
}

impl Literal {
    pub fn to_value(&self) -> Value {
        match self {
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Int(value) => Value::from(*value),
            Literal::Text(value) => Value::String(value.clone().into_owned()),
            Literal::EmptyObject => Value::Object(serde_json::Map::new()),
            Literal::EmptyList => Value::Array(Vec::new()),
            Literal::Object(members) => {
                let member = |(name, value): &(Text, Literal)| (name.clone().into_owned(), value.to_value());
                Value::Object(members.iter().map(member).collect())
            }
            Literal::List(items) => Value::Array(items.iter().map(Literal::to_value).collect()),
        }
    }
}
