//! Decoded objects: a tree of JSON values, and a view that names the parts every object has.
//!
//! Trees exist only while admission, validation or a patch needs one; what is stored, cached and sent is bytes.

pub type Value = serde_json::Value;

/// A decoded object: a JSON object whose members are kept in name order.
pub type Object = serde_json::Map<String, Value>;

/// Reads the parts that every object has. Absent and wrongly typed parts read as empty.
pub trait ObjectView {
    fn api_version(&self) -> &str;
    fn kind(&self) -> &str;
    fn metadata(&self) -> Option<&Object>;
    /// A text member of `metadata`, empty if absent.
    fn meta_str(&self, member: &str) -> &str;
    fn name(&self) -> &str {
        self.meta_str("name")
    }
    fn namespace(&self) -> &str {
        self.meta_str("namespace")
    }
    fn uid(&self) -> &str {
        self.meta_str("uid")
    }
    fn resource_version(&self) -> &str {
        self.meta_str("resourceVersion")
    }
    fn generation(&self) -> i64;
    fn labels(&self) -> Option<&Object>;
    fn annotations(&self) -> Option<&Object>;
    fn finalizers(&self) -> impl Iterator<Item = &str>;
    /// True from the moment `metadata.deletionTimestamp` is set.
    fn is_terminating(&self) -> bool {
        !self.meta_str("deletionTimestamp").is_empty()
    }
    /// `metadata`, created empty where it is absent or not an object.
    fn metadata_mut(&mut self) -> &mut Object;
}

fn text<'a>(object: &'a Object, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

impl ObjectView for Object {
    fn api_version(&self) -> &str {
        text(self, "apiVersion")
    }

    fn kind(&self) -> &str {
        text(self, "kind")
    }

    fn metadata(&self) -> Option<&Object> {
        self.get("metadata").and_then(Value::as_object)
    }

    fn meta_str(&self, member: &str) -> &str {
        self.metadata().map(|m| text(m, member)).unwrap_or_default()
    }

    fn generation(&self) -> i64 {
        self.metadata().and_then(|m| m.get("generation")).and_then(Value::as_i64).unwrap_or_default()
    }

    fn labels(&self) -> Option<&Object> {
        self.metadata()?.get("labels")?.as_object()
    }

    fn annotations(&self) -> Option<&Object> {
        self.metadata()?.get("annotations")?.as_object()
    }

    fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.metadata()
            .and_then(|m| m.get("finalizers"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    fn metadata_mut(&mut self) -> &mut Object {
        let metadata = self.entry("metadata").or_insert_with(|| Value::Object(Object::new()));
        if !metadata.is_object() {
            *metadata = Value::Object(Object::new());
        }
        match metadata {
            Value::Object(members) => members,
            _ => unreachable!("made an object two lines above"),
        }
    }
}
