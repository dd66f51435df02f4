//! What fuzz targets do with bytes, and what has to hold of the outcome.
//!
//! Refusing is always fine. A panic, an input that takes longer than a second or memory without bound is not.

use gantry_codec::{Expected, Format, Strictness, Surroundings, apply_defaults, canonical, encode};
use gantry_kinds::{Resource, catalog};
use gantry_meta::{FieldSelector, LabelSelector, Object, Quantity, Value};
use gantry_patch::managed::{self, Writer};
use gantry_validation as validation;
use jiff::Timestamp;
use serde_json::json;

/// The three patch types that are documents.
#[derive(Clone, Copy)]
pub enum Patch {
    Json,
    Merge,
    Strategic,
}

/// The first byte chooses a resource.
fn resource(input: &[u8]) -> Option<(&'static Resource, &[u8])> {
    let (first, rest) = input.split_first()?;
    let count = catalog().resources().count();
    Some((catalog().resources().nth(usize::from(*first) % count)?, rest))
}

/// Decodes; what is decoded takes defaults, is judged, and comes back the same after it was encoded.
pub fn decode(input: &[u8], format: Format) {
    let Some((resource, body)) = resource(input) else { return };
    decode_as(resource, body, format);
}

/// As [`decode`], the message of an envelope that names the resource: else nothing but envelopes would be tried.
pub fn decode_protobuf(input: &[u8]) {
    let Some((resource, message)) = resource(input) else { return };
    let kind = [field(1, resource.api_version.as_bytes()), field(2, resource.kind.as_bytes())].concat();
    let envelope = [b"k8s\0".to_vec(), field(1, &kind), field(2, message)].concat();
    decode_as(resource, &envelope, Format::Protobuf);
}

/// A protobuf field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        encoded.push(length as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend_from_slice(bytes);
    encoded
}

fn decode_as(resource: &Resource, body: &[u8], format: Format) {
    let expected = Expected::from(resource);
    let Ok(decoded) = gantry_codec::decode(expected, body, format, Strictness::Warn) else { return };
    let mut object = decoded.object;
    apply_defaults(&resource.root, &mut object, &Surroundings { now: Timestamp::UNIX_EPOCH });
    canonical::canonicalise(&resource.root, &mut object);
    let again = gantry_codec::decode(expected, &encode(&object), Format::Json, Strictness::Warn);
    let mut again = again.expect("what is encoded can be decoded").object;
    canonical::canonicalise(&resource.root, &mut again);
    assert_eq!(again, object);
    let named =
        validation::Resource { group: &resource.group, resource: &resource.plural, namespaced: resource.namespaced };
    let _ = validation::validate_create(named, &object);
    let _ = validation::validate_update(named, &object, &object, None);
    let _ = validation::warnings(named, &object, None, None);
}

fn deployments() -> &'static Resource {
    catalog().preferred("apps", "deployments").expect("a built-in resource")
}

/// A deployment with lists and maps of every type.
fn deployment() -> Object {
    let container = json!({"name": "c", "image": "i", "args": ["a", "b"], "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "n", "labels": {"a": "b"}, "finalizers": ["x/y"]},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]}}}});
    body.as_object().cloned().expect("an object is written above")
}

/// Patches a deployment; what comes out is decoded or refused.
pub fn patch(input: &[u8], kind: Patch) {
    let (ty, object) = (&deployments().root, deployment());
    let Ok(document) = gantry_codec::parse_json(input) else { return };
    let patched = match kind {
        Patch::Json => gantry_patch::json::apply(&object, document),
        Patch::Merge => gantry_patch::merge::apply(&object, &document),
        Patch::Strategic => gantry_patch::strategic::apply(ty, &object, &document).map(Value::Object),
    };
    if let Ok(patched) = patched {
        let _ = gantry_codec::decode_value(deployments().into(), patched, Strictness::Warn);
    }
}

fn writer(manager: &'static str) -> Writer<'static> {
    let resource = deployments();
    let (ty, api_version) = (&*resource.root, &*resource.api_version);
    Writer { ty, api_version, manager, subresource: "", reset: &[], versions: &managed::OneVersion, now: Timestamp::UNIX_EPOCH }
}

/// Applies a configuration to nothing, to an object without a record, and again: the same twice changes nothing.
pub fn apply(input: &[u8]) {
    let Ok((Value::Object(config), _)) = gantry_codec::parse_untyped(input, Format::Yaml) else { return };
    let _ = managed::apply(writer("one"), None, &config, false);
    let _ = managed::apply(writer("one"), Some(&deployment()), &config, false);
    let Ok(first) = managed::apply(writer("one"), Some(&deployment()), &config, true) else { return };
    let Ok(decoded) = gantry_codec::decode_value(deployments().into(), Value::Object(first), Strictness::Ignore) else {
        return;
    };
    let second = managed::apply(writer("one"), Some(&decoded.object), &config, false);
    assert!(second.is_ok(), "nobody conflicts with themselves: {second:?}");
}

/// An object whose record was forged is updated and applied to.
pub fn field_set(input: &[u8]) {
    let Ok(fields) = serde_json::from_slice::<Value>(input) else { return };
    let mut live = deployment();
    let entry = |manager: &str, operation: &str| {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "time": "2026-11-21T14:20:00Z", "fieldsV1": fields})
    };
    live["metadata"]["managedFields"] = json!([entry("one", "Apply"), entry("two", "Update")]);
    let mut changed = live.clone();
    changed["spec"]["replicas"] = 3.into();
    managed::record_update(writer("three"), Some(&live), &mut changed);
    let mut config = deployment();
    config["spec"]["replicas"] = 4.into();
    let _ = managed::apply(writer("one"), Some(&live), &config, false);
    let _ = managed::apply(writer("one"), Some(&live), &config, true);
}

/// A selector that parses is written as one that means the same.
pub fn selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        let again = LabelSelector::parse(&selector.to_string()).expect("what is written can be read");
        assert_eq!(again.to_string(), selector.to_string());
        let labels = deployment();
        assert_eq!(again.matches(Some(&labels)), selector.matches(Some(&labels)));
    }
    let _ = FieldSelector::parse(text);
}

/// A quantity's canonical form has its value. Written once more it stays: a binary amount that is no multiple of 1024, as `62.5Ki`,
/// first becomes `64000`, and that, read as a decimal, `64k`.
pub fn quantity(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(quantity) = Quantity::parse(text) {
        let canonical = quantity.canonical().to_string();
        let again = Quantity::parse(&canonical).expect("a canonical form can be read");
        assert_eq!(again.cmp(&quantity), std::cmp::Ordering::Equal);
        let settled = again.canonical().to_string();
        assert_eq!(Quantity::parse(&settled).expect("a canonical form can be read").canonical().to_string(), settled);
    }
}

/// Expressions are compiled, never evaluated.
pub fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let scope = validation::cel::Scope::new([("object", validation::cel::Type::Dyn)]);
    let _ = validation::cel::compile(text, &scope);
}
