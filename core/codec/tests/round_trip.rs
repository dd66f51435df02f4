//! Objects of every kind, made at random from the field tables, go through the codec unchanged; random JSON never upsets it.

use gantry_codec::{
    Expected, Format, Splice, Strictness, Surroundings, apply_defaults, canonical, decode, decode_value, encode,
    encode_stored, to_yaml, write_protobuf,
};
use gantry_kinds::{Gate, Resource, SchemaAlternative, Shape, Type, catalog};
use gantry_meta::Object;
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Map, Value, json};

/// Makes values of types: a small generator whose whole state is one number, so that a failure shrinks to a seed.
struct Maker(u64);

impl Maker {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).expect("small")]
    }

    fn object(&mut self, ty: &Type, depth: usize) -> Value {
        // Kinds are filled in, and an empty list of managed fields stays although it is not canonical.
        const LEFT_OUT: [&str; 3] = ["kind", "apiVersion", "managedFields"];
        let mut members = Map::new();
        for field in ty.fields.iter().filter(|f| !LEFT_OUT.contains(&&*f.name) && f.gate == Gate::Open) {
            if self.below(3) > 0 && (depth < 9 || field.shape.leaf_type().is_none()) {
                members.insert(field.name.to_string(), self.value(&field.shape, depth + 1));
            }
        }
        Value::Object(members)
    }

    fn value(&mut self, shape: &Shape, depth: usize) -> Value {
        match shape {
            Shape::String => self.pick(&["", "a", "web-1", "é", "10.0.0.1", "true"]).into(),
            Shape::Bool => (self.below(2) == 1).into(),
            Shape::Int32 | Shape::Int64 => (self.below(5) as i64 - 1).into(),
            Shape::Double => json!(0.5),
            Shape::Bytes => self.pick(&["", "aGVsbG8=", "AP/+"]).into(),
            Shape::Quantity | Shape::ResourceQuantity => self.pick(&["0", "100m", "1Gi", "1500M", "3"]).into(),
            Shape::IntOrString => [json!(3), json!("25%")][self.below(2) as usize].clone(),
            Shape::Time => "2026-11-21T14:20:00Z".into(),
            Shape::MicroTime => "2026-11-21T14:20:00.000001Z".into(),
            Shape::Raw | Shape::RawObject => json!({"any": [1, "x", null, {"y": false}]}),
            Shape::SchemaOr(_, SchemaAlternative::Bool) => true.into(),
            Shape::SchemaOr(ty, SchemaAlternative::Array) => json!([self.object(ty, depth + 3)]),
            Shape::SchemaOr(_, SchemaAlternative::StringArray) => json!(["a", "b"]),
            Shape::Struct(ty) => self.object(ty, depth),
            Shape::List(item) => (0..self.below(3)).map(|_| self.value(item, depth)).collect(),
            Shape::Map(value) => {
                let count = self.below(3);
                let entries = (0..count).map(|n| (format!("k{n}"), self.value(value, depth)));
                // Protobuf does not know empty lists from unset ones, and as values both are written.
                entries.filter(|(_, value)| *value != json!([])).collect::<Map<_, _>>().into()
            }
        }
    }
}

fn resource(index: usize) -> &'static Resource {
    let count = catalog().resources().count();
    catalog().resources().nth(index % count).expect("within the count")
}

/// The object without empty lists: decoding keeps those that somebody may own, and what is stored has none.
fn bare(object: &Object) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Object(members) => {
                members.retain(|_, member| !member.is_null() && *member != json!([]));
                members.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut tree = Value::Object(object.clone());
    strip(&mut tree);
    tree
}

fn surroundings() -> Surroundings {
    Surroundings { now: jiff::Timestamp::UNIX_EPOCH }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(36), ..ProptestConfig::default() })]

    #[test]
    fn a_decoded_object_is_canonical_and_survives_every_form(index in 0_usize..200, seed in any::<u64>()) {
        let resource = resource(index);
        let body = Maker(seed).object(&resource.root, 0);
        let expected = Expected::from(resource);
        let decoded = decode_value(expected, body.clone(), Strictness::Strict).expect("made from the tables").object;
        let mut again = decoded.clone();
        let states_empty = canonical::canonicalise_for_rules(&resource.root, &mut again);
        prop_assert_eq!(bare(&again), bare(&decoded), "decoding leaves the canonical form");
        if states_empty {
            canonical::canonicalise(&resource.root, &mut again);
        }
        let decoded = again;
        let json = encode(&decoded);
        prop_assert_eq!(&decode(expected, &json, Format::Json, Strictness::Strict).expect("JSON").object, &decoded, "JSON");
        let mut protobuf = Vec::new();
        write_protobuf(&resource.root, &json, &mut protobuf).expect("a built-in kind");
        prop_assert_eq!(&decode(expected, &protobuf, Format::Protobuf, Strictness::Strict).expect("protobuf").object, &decoded, "protobuf");
        let yaml = to_yaml(&Value::Object(decoded.clone()));
        prop_assert_eq!(&decode(expected, yaml.as_bytes(), Format::Yaml, Strictness::Strict).expect("YAML").object, &decoded, "YAML");
    }

    #[test]
    fn defaults_are_settled_after_one_pass_and_keep_the_canonical_form(index in 0_usize..200, seed in any::<u64>()) {
        let resource = resource(index);
        let body = Maker(seed).object(&resource.root, 0);
        let mut object = decode_value(Expected::from(resource), body, Strictness::Strict).expect("from the tables").object;
        // Without the empty lists that keep defaults out: what is stored has none.
        canonical::canonicalise(&resource.root, &mut object);
        apply_defaults(&resource.root, &mut object, &surroundings());
        let mut again = object.clone();
        canonical::canonicalise(&resource.root, &mut again);
        prop_assert_eq!(&again, &object);
        apply_defaults(&resource.root, &mut again, &surroundings());
        prop_assert_eq!(&again, &object);
    }

    #[test]
    fn the_splice_gives_the_object_with_its_revision(index in 0_usize..200, seed in any::<u64>(), revision in any::<u64>()) {
        let resource = resource(index);
        let body = Maker(seed).object(&resource.root, 0);
        let mut object = decode_value(Expected::from(resource), body, Strictness::Strict).expect("from the tables").object;
        canonical::canonicalise(&resource.root, &mut object);
        let (mut wire, mut item) = (Vec::new(), Vec::new());
        let stored = encode_stored(&object);
        Splice::of(resource).write_object(&stored, revision, &mut wire);
        Splice::of(resource).write_item(&stored, revision, &mut item);
        let mut whole = Value::Object(object);
        whole["metadata"]["resourceVersion"] = revision.to_string().into();
        prop_assert_eq!(serde_json::from_slice::<Value>(&wire).expect("JSON"), whole.clone());
        for name in ["kind", "apiVersion"] {
            whole.as_object_mut().expect("an object").remove(name);
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&item).expect("JSON"), whole);
    }

    #[test]
    fn no_text_upsets_the_decoders(text in "[\\[\\]{}\":,.\\\\a-z0-9 \n\t&*!|>?%@`'~#<=-]{0,80}", index in 0_usize..200) {
        let expected = Expected::from(resource(index));
        for format in [Format::Json, Format::Yaml] {
            // Refusing is fine; a panic or a hang is not.
            let _ = decode(expected, text.as_bytes(), format, Strictness::Warn);
        }
    }

    #[test]
    fn no_bytes_upset_the_decoders(bytes in prop::collection::vec(any::<u8>(), 0..200), index in 0_usize..200) {
        let expected = Expected::from(resource(index));
        for format in [Format::Json, Format::Yaml] {
            let _ = decode(expected, &bytes, format, Strictness::Warn);
        }
    }
}
