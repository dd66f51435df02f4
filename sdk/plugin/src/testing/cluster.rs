//! Objects in memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    Failure, Resource,
    controller::{Op, Verb},
};

/// Group, plural, namespace, name.
type Place = (String, String, String, String);

/// What is known of a resource since an object of it was first put.
#[derive(Debug)]
struct Served {
    version: String,
    kind: String,
    namespaced: bool,
}

/// The objects that a fake host knows. As simple an API server as tests of controllers need: it assigns uids and
/// resourceVersions, generates names, checks preconditions, and keeps what has finalizers.
#[derive(Debug, Default)]
pub struct FakeCluster {
    objects: BTreeMap<Place, Value>,
    kinds: BTreeMap<(String, String), Served>,
    revision: u64,
    /// Events told, as `TYPE REASON MESSAGE`.
    pub events: Vec<String>,
}

fn place(resource: &Resource<'_>, namespace: &str, name: &str) -> Place {
    (resource.group.to_owned(), resource.resource.to_owned(), namespace.to_owned(), name.to_owned())
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl FakeCluster {
    /// Adds or replaces an object, as if somebody else had. A missing uid, kind or apiVersion is filled in.
    pub fn put(&mut self, resource: &Resource<'_>, mut object: Value) {
        self.revision += 1;
        let revision = self.revision;
        self.kinds.insert(
            (resource.group.to_owned(), resource.resource.to_owned()),
            Served {
                version: resource.version.to_owned(),
                kind: resource.kind.to_owned(),
                namespaced: object.pointer("/metadata/namespace").is_some(),
            },
        );
        object["kind"] = resource.kind.into();
        object["apiVersion"] = resource.api_version().into();
        if text(&object, "/metadata/uid").is_empty() {
            object["metadata"]["uid"] = format!("uid-{revision}").into();
        }
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        let at = place(resource, text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        self.objects.insert(at, object);
    }

    pub fn get(&self, resource: &Resource<'_>, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&place(resource, namespace, name))
    }

    pub fn remove(&mut self, resource: &Resource<'_>, namespace: &str, name: &str) -> Option<Value> {
        self.objects.remove(&place(resource, namespace, name))
    }

    /// All objects of a resource (`*`: of all) with their group, version, plural and kind.
    pub(crate) fn list<'c>(
        &'c self,
        group: &str,
        resource: &str,
    ) -> impl Iterator<Item = (Resource<'c>, &'c Value)> + use<'c> {
        let wanted = (resource != "*").then(|| (group.to_owned(), resource.to_owned()));
        self.objects.iter().filter_map(move |((group, plural, ..), object)| {
            let at = (group.clone(), plural.clone());
            if wanted.as_ref().is_some_and(|w| *w != at) {
                return None;
            }
            let served = self.kinds.get(&at)?;
            Some((Resource::new(group, &served.version, plural, &served.kind), object))
        })
    }

    /// Every resource that an object was ever put of, and whether it is namespaced.
    pub(crate) fn served(&self) -> impl Iterator<Item = (Resource<'_>, bool)> {
        self.kinds
            .iter()
            .map(|(at, served)| (Resource::new(&at.0, &served.version, &at.1, &served.kind), served.namespaced))
    }

    /// The objects of a resource.
    pub fn all(&self, resource: &Resource<'_>) -> Vec<&Value> {
        self.list(resource.group, resource.resource).map(|(_, object)| object).collect()
    }

    /// Does what an operation says and returns the name of its object.
    ///
    /// # Errors
    /// A precondition does not hold, the object is missing or exists, or the fake cannot do such an operation.
    pub fn execute(&mut self, op: &Op) -> Result<String, Failure> {
        match op.verb {
            Verb::Create => self.create(op),
            Verb::Update => self.change(op, |_, body| body),
            Verb::PatchMerge | Verb::PatchStrategic | Verb::Apply => self.change(op, |mut object, patch| {
                merge(&mut object, &patch);
                object
            }),
            Verb::Delete => self.delete(op),
            Verb::DeleteCollection => {
                self.objects.retain(|(g, r, ns, _), _| !(*g == op.group && *r == op.resource && *ns == op.namespace));
                Ok(String::new())
            }
            Verb::Event => {
                let body = op.body_value()?;
                self.events.push(["/type", "/reason", "/message"].map(|p| text(&body, p)).join(" "));
                Ok(String::new())
            }
            Verb::PatchJson => Err("the fake cluster does not know JSON patches".into()),
        }
    }

    fn create(&mut self, op: &Op) -> Result<String, Failure> {
        let mut object = op.body_value()?;
        if text(&object, "/metadata/name").is_empty() {
            let prefix = text(&object, "/metadata/generateName").to_owned();
            object["metadata"]["name"] = format!("{prefix}{}", self.revision + 1).into();
        }
        if !op.namespace.is_empty() {
            object["metadata"]["namespace"] = op.namespace.as_str().into();
        }
        let name = text(&object, "/metadata/name").to_owned();
        let kind = text(&object, "/kind").to_owned();
        let resource = Resource::new(&op.group, &op.version, &op.resource, &kind);
        if self.get(&resource, &op.namespace, &name).is_some() {
            return Err(format!("{} {name:?} already exists", op.resource).into());
        }
        self.put(&resource, object);
        Ok(name)
    }

    fn change(&mut self, op: &Op, merged: impl FnOnce(Value, Value) -> Value) -> Result<String, Failure> {
        let body = op.body_value()?;
        let at = (op.group.clone(), op.resource.clone(), op.namespace.clone(), op.name.clone());
        let current = self.objects.get(&at).ok_or_else(|| not_found(op))?.clone();
        check(op, &current)?;
        let expected = text(&body, "/metadata/resourceVersion");
        if !expected.is_empty() && expected != text(&current, "/metadata/resourceVersion") {
            return Err(format!("{} {:?} has been modified", op.resource, op.name).into());
        }
        let mut next = merged(current.clone(), body);
        if op.subresource == "status" {
            next = with_status(current.clone(), &next);
        }
        self.revision += 1;
        for (pointer, value) in
            [("uid", current["metadata"]["uid"].clone()), ("resourceVersion", self.revision.to_string().into())]
        {
            next["metadata"][pointer] = value;
        }
        let gone = is_terminating(&next) && finalizers(&next) == 0;
        if gone {
            self.objects.remove(&at)
        } else {
            self.objects.insert(at, next)
        };
        Ok(op.name.clone())
    }

    fn delete(&mut self, op: &Op) -> Result<String, Failure> {
        let at = (op.group.clone(), op.resource.clone(), op.namespace.clone(), op.name.clone());
        let Some(object) = self.objects.get_mut(&at) else { return Ok(op.name.clone()) };
        check(op, object)?;
        if finalizers(object) == 0 {
            self.objects.remove(&at);
        } else if !is_terminating(object) {
            object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        Ok(op.name.clone())
    }
}

/// What a write of the status may change, as the API has it: the status and the annotations.
fn with_status(mut object: Value, written: &Value) -> Value {
    object["status"] = written.get("status").cloned().unwrap_or(Value::Null);
    if let Some(annotations) = written.pointer("/metadata/annotations") {
        object["metadata"]["annotations"] = annotations.clone();
    }
    object
}

fn not_found(op: &Op) -> Failure {
    format!("{} {:?} not found", op.resource, op.name).into()
}

fn is_terminating(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

/// A namespace has some of its own besides those that every object may have.
fn finalizers(object: &Value) -> usize {
    let held = |pointer| object.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    held("/metadata/finalizers") + held("/spec/finalizers")
}

fn check(op: &Op, object: &Value) -> Result<(), Failure> {
    for (expected, pointer) in
        [(&op.expect_uid, "/metadata/uid"), (&op.expect_resource_version, "/metadata/resourceVersion")]
    {
        if !expected.is_empty() && expected != text(object, pointer) {
            return Err(format!("{} {:?}: the precondition {pointer} does not hold", op.resource, op.name).into());
        }
    }
    Ok(())
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members: &mut Map<String, Value> = target.as_object_mut().expect("made an object above");
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
