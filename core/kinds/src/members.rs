//! Reading and writing a tree by names of fields that the compiler checks.

use gantry_meta::{Object, Value};

use crate::{FieldChain, FieldName};

/// Members of an object by the fields of its type. A member that is null reads as absent, one of another type as empty.
pub trait Members {
    fn member(&self, name: FieldName) -> Option<&Value>;

    /// What stands at the end of a way down through structs.
    fn at(&self, path: FieldChain) -> Option<&Value>;

    /// A struct or map.
    fn object(&self, name: FieldName) -> Option<&Object>;

    /// A list, empty if absent.
    fn items(&self, name: FieldName) -> &[Value];

    /// The structs of a list.
    fn objects(&self, name: FieldName) -> impl Iterator<Item = &Object> {
        self.items(name).iter().filter_map(Value::as_object)
    }

    fn has(&self, name: FieldName) -> bool {
        self.member(name).is_some()
    }

    /// A text, empty if absent.
    fn text(&self, name: FieldName) -> &str {
        self.member(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn int(&self, name: FieldName) -> Option<i64> {
        self.member(name).and_then(Value::as_i64)
    }

    /// True only for `true`.
    fn flag(&self, name: FieldName) -> bool {
        self.member(name).and_then(Value::as_bool).unwrap_or_default()
    }

    fn object_at(&self, path: FieldChain) -> Option<&Object> {
        self.at(path).and_then(Value::as_object)
    }

    fn text_at(&self, path: FieldChain) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn items_at(&self, path: FieldChain) -> &[Value] {
        self.at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn member_mut(&mut self, name: FieldName) -> Option<&mut Value>;

    fn object_mut(&mut self, name: FieldName) -> Option<&mut Object> {
        self.member_mut(name)?.as_object_mut()
    }

    fn list_mut(&mut self, name: FieldName) -> Option<&mut Vec<Value>> {
        self.member_mut(name)?.as_array_mut()
    }

    /// The structs of a list.
    fn objects_mut(&mut self, name: FieldName) -> impl Iterator<Item = &mut Object> {
        self.list_mut(name).into_iter().flatten().filter_map(Value::as_object_mut)
    }

    /// A struct or map, made empty where it is absent; `None` where something else stands.
    fn made(&mut self, name: FieldName) -> Option<&mut Object>;

    /// A list, made empty where it is absent; `None` where something else stands.
    fn made_list(&mut self, name: FieldName) -> Option<&mut Vec<Value>>;

    fn set(&mut self, name: FieldName, value: impl Into<Value>);

    /// Sets a member that is absent.
    fn set_if_absent(&mut self, name: FieldName, value: impl Into<Value>) {
        if !self.has(name) {
            self.set(name, value);
        }
    }

    fn unset(&mut self, name: FieldName) -> Option<Value>;
}

impl Members for Object {
    fn member(&self, name: FieldName) -> Option<&Value> {
        self.get(name.as_str()).filter(|value| !value.is_null())
    }

    fn at(&self, path: FieldChain) -> Option<&Value> {
        let (first, rest) = path.fields().split_first()?;
        rest.iter().try_fold(self.member(*first)?, |at, name| at.as_object()?.member(*name))
    }

    fn object(&self, name: FieldName) -> Option<&Object> {
        self.get(name.as_str())?.as_object()
    }

    fn items(&self, name: FieldName) -> &[Value] {
        self.get(name.as_str()).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn member_mut(&mut self, name: FieldName) -> Option<&mut Value> {
        self.get_mut(name.as_str()).filter(|value| !value.is_null())
    }

    fn made(&mut self, name: FieldName) -> Option<&mut Object> {
        made(self, name, || Value::Object(Object::new())).as_object_mut()
    }

    fn made_list(&mut self, name: FieldName) -> Option<&mut Vec<Value>> {
        made(self, name, || Value::Array(Vec::new())).as_array_mut()
    }

    fn set(&mut self, name: FieldName, value: impl Into<Value>) {
        self.insert(name.as_str().to_owned(), value.into());
    }

    fn unset(&mut self, name: FieldName) -> Option<Value> {
        self.remove(name.as_str())
    }
}

fn made(object: &mut Object, name: FieldName, empty: impl Fn() -> Value) -> &mut Value {
    let value = object.entry(name.as_str()).or_insert(Value::Null);
    if value.is_null() {
        *value = empty();
    }
    value
}

/// An object of the named fields: `object! { PodCondition::TYPE => "PodScheduled", PodCondition::STATUS => "False" }`.
#[macro_export]
macro_rules! object {
    ($($field:expr => $value:expr),* $(,)?) => {
        $crate::object_of([$(($field, $crate::Value::from($value))),*])
    };
}

/// What [`object!`] makes.
pub fn object_of<const N: usize>(members: [(FieldName, Value); N]) -> Object {
    members.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fields::{
            AnyObject,
            core_v1::{Container, Pod, PodOS, PodSpec, PodTemplateSpec},
            meta_v1::ObjectMeta,
        },
        path,
    };

    fn pod() -> Object {
        object! {
            AnyObject::METADATA => object! { ObjectMeta::NAME => "p", ObjectMeta::LABELS => Value::Null },
            Pod::SPEC => object! {
                PodSpec::CONTAINERS => vec![Value::from(object! { Container::NAME => "c" })],
                PodSpec::OS => object! { PodOS::NAME => "linux" },
                PodSpec::HOST_NETWORK => true,
                PodSpec::PRIORITY => 7,
            },
        }
    }

    #[test]
    fn members_are_read_by_the_fields_of_their_types() {
        let pod = pod();
        assert_eq!(pod.text_at(path![Pod::SPEC, PodSpec::OS, PodOS::NAME]), "linux");
        assert_eq!(pod.items_at(path![Pod::SPEC, PodSpec::CONTAINERS]).len(), 1);
        let spec = pod.object(Pod::SPEC).unwrap();
        assert_eq!((spec.int(PodSpec::PRIORITY), spec.flag(PodSpec::HOST_NETWORK)), (Some(7), true));
        assert_eq!(spec.objects(PodSpec::CONTAINERS).map(|c| c.text(Container::NAME)).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn a_member_that_is_null_is_absent_and_made_anew() {
        let mut pod = pod();
        let metadata = pod.object_mut(AnyObject::METADATA).unwrap();
        assert!(!metadata.has(ObjectMeta::LABELS));
        metadata.made(ObjectMeta::LABELS).unwrap().insert("a".to_owned(), "b".into());
        assert_eq!(pod.object_at(path![AnyObject::METADATA, ObjectMeta::LABELS]).unwrap().len(), 1);
        assert!(pod.made(AnyObject::METADATA).unwrap().made_list(ObjectMeta::LABELS).is_none(), "a map is no list");
    }

    #[test]
    fn what_is_there_stays_unless_it_is_set() {
        let mut pod = pod();
        let spec = pod.object_mut(Pod::SPEC).unwrap();
        spec.set_if_absent(PodSpec::PRIORITY, 1);
        assert_eq!(spec.int(PodSpec::PRIORITY), Some(7));
        spec.set(PodSpec::PRIORITY, 1);
        assert_eq!((spec.unset(PodSpec::PRIORITY), spec.int(PodSpec::PRIORITY)), (Some(1.into()), None));
        assert_ne!(PodTemplateSpec::SPEC, Pod::SPEC, "fields of two types are two");
    }
}
