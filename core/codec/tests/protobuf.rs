//! Protobuf against the Go client's bytes and against the JSON form. Each line of the vectors is the hex of what the Go client
//! (k8s.io/client-go v0.36.0) wrote for the JSON beside it.

use gantry_codec::{
    DecodeError, Decoded, Expected, Format, Strictness, decode, encode, write_protobuf, write_protobuf_frame,
};
use gantry_kinds::catalog;
use proptest::prelude::*;
use serde_json::{Value, json};

const VECTORS: &str = include_str!("protobuf_vectors.tsv");

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn vectors() -> impl Iterator<Item = (Vec<u8>, &'static str)> {
    VECTORS.lines().filter_map(|line| line.split_once('\t')).map(|(hex, json)| (bytes(hex), json))
}

fn read(kind: &str, api_version: &str, body: &[u8], format: Format) -> Result<Decoded, DecodeError> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let ty = catalog().type_of_kind(group, version, kind).expect("a built-in kind");
    decode(Expected { ty, api_version, kind, any_api_version: false }, body, format, Strictness::Strict)
}

fn config_map(message: &[u8], strictness: Strictness) -> Result<Decoded, DecodeError> {
    let resource = catalog().resource("", "v1", "configmaps").expect("built in");
    let length = u8::try_from(message.len()).expect("short");
    let body = [b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12", &[length][..], message].concat();
    decode(resource.into(), &body, Format::Protobuf, strictness)
}

#[test]
fn what_the_go_client_writes_reads_as_its_json() {
    assert_eq!(vectors().count(), 18);
    for (body, json) in vectors() {
        let tree: Value = serde_json::from_str(json).expect("JSON");
        let (kind, version) = (tree["kind"].as_str().expect("text"), tree["apiVersion"].as_str().expect("text"));
        let from_json = read(kind, version, json.as_bytes(), Format::Json).expect("good JSON");
        assert_eq!(read(kind, version, &body, Format::Protobuf), Ok(from_json), "{kind}");
    }
}

#[test]
fn fields_of_unknown_numbers_are_passed_over_in_silence() {
    let message = [0x0a, 3, 0x0a, 1, b'a', 0xc2, 0x3e, 0];
    for strictness in [Strictness::Ignore, Strictness::Warn, Strictness::Strict] {
        let decoded = config_map(&message, strictness).expect("good");
        assert!(decoded.warnings.is_empty(), "{strictness:?}");
        assert_eq!(decoded.object["metadata"], json!({"name": "a"}));
    }
}

#[test]
fn messages_that_come_twice_are_merged_and_scalars_replaced() {
    // metadata {name: a, namespace: n}, then metadata {name: b}; immutable true, then false.
    let message = [0x0a, 6, 0x0a, 1, b'a', 0x1a, 1, b'n', 0x0a, 3, 0x0a, 1, b'b', 0x20, 1, 0x20, 0];
    let object = config_map(&message, Strictness::Strict).expect("good").object;
    assert_eq!(object["metadata"], json!({"name": "b", "namespace": "n"}));
    assert_eq!(object["immutable"], json!(false));
}

#[test]
fn bodies_that_are_no_protobuf_are_refused() {
    let resource = catalog().resource("", "v1", "configmaps").expect("built in");
    for bad in [&b"{}"[..], b"", b"k8s\0\xff\xff", b"k8s\0\x12\x7f", b"k8s\0\x12\x02\x0a\x7f", b"k8s\0"] {
        assert!(decode(resource.into(), bad, Format::Protobuf, Strictness::Warn).is_err(), "{bad:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let not = |inner: Vec<u8>| {
        let mut length = inner.len();
        let mut out = vec![0xe2, 1];
        while length > 127 {
            out.push(u8::try_from(length % 128).expect("small") | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).expect("small"));
        [out, inner].concat()
    };
    let deep = (0..500).fold(Vec::new(), |inner, _| not(inner));
    let schemas = catalog().type_named("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    let expected = Expected { ty: schemas.expect("built in"), api_version: "v1", kind: "Any", any_api_version: false };
    let mut body = b"k8s\0\x12".to_vec();
    let length = deep.len();
    body.extend([(length % 128) as u8 | 128, (length / 128) as u8]);
    body.extend(deep);
    assert!(matches!(decode(expected, &body, Format::Protobuf, Strictness::Warn), Err(DecodeError::TooDeep(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_upset_the_decoder(raw in prop::collection::vec(any::<u8>(), 0..100), index in 0_usize..200) {
        let resources: Vec<_> = catalog().resources().collect();
        let mut body = b"k8s\0\x12".to_vec();
        body.push(u8::try_from(raw.len()).expect("short"));
        body.extend(&raw);
        // Refusing is fine; a panic is not.
        let _ = decode(resources[index % resources.len()].into(), &body, Format::Protobuf, Strictness::Warn);
    }

    #[test]
    fn no_changed_byte_upsets_the_decoder(which in 0_usize..18, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (mut body, json) = vectors().nth(which).expect("18 vectors");
        let tree: Value = serde_json::from_str(json).expect("JSON");
        let at = at.index(body.len());
        body[at] = to;
        let _ = read(tree["kind"].as_str().expect("text"), tree["apiVersion"].as_str().expect("text"), &body, Format::Protobuf);
    }
}

#[test]
fn what_is_written_is_what_the_go_client_writes_and_a_watch_frame_holds_it() {
    for (go, json) in vectors() {
        let tree: Value = serde_json::from_str(json).expect("JSON");
        let (kind, api_version) = (tree["kind"].as_str().expect("text"), tree["apiVersion"].as_str().expect("text"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let ty = catalog().type_of_kind(group, version, kind).expect("a built-in kind");
        let object = read(kind, api_version, json.as_bytes(), Format::Json).expect("good JSON").object;
        let (wire, mut body, mut frame) = (encode(&object), Vec::new(), Vec::new());
        write_protobuf(ty, &wire, &mut body).expect("a built-in kind");
        assert_eq!(body, go, "{kind}");
        write_protobuf_frame("ADDED", ty, &wire, &mut frame).expect("a built-in kind");
        let (length, event) = frame.split_at(4);
        assert_eq!(u32::from_be_bytes(length.try_into().expect("four")) as usize, event.len());
        assert!(event.starts_with(b"\x0a\x05ADDED\x12") && event.ends_with(&body));
    }
}

#[test]
fn the_order_of_the_json_does_not_matter() {
    let ty = catalog().type_of_kind("", "v1", "ConfigMap").expect("built in");
    let write = |json: &str| {
        let mut body = Vec::new();
        write_protobuf(ty, json.as_bytes(), &mut body).expect("a built-in kind");
        body
    };
    let sorted = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"},"immutable":true}"#;
    let other = r#"{"immutable":true,"data":{"k":"v"},"apiVersion":"v1","metadata":{"name":"a"},"kind":"ConfigMap"}"#;
    assert_eq!(write(sorted), write(other));
}

#[test]
fn kind_and_version_may_stand_anywhere_and_neither_takes_the_other_away() {
    let json = br#"{"apiVersion":"meta.k8s.io/v1","items":[],"kind":"PartialObjectMetadataList","metadata":{}}"#;
    let body = gantry_codec::to_protobuf(json).expect("a view of metadata");
    // As a reader merges them: in the envelope's first field, the version is field 1 and the kind is field 2.
    let (mut rest, mut known) = (&body[4..], [String::new(), String::new()]);
    while let [tag, length, tail @ ..] = rest {
        let (message, tail) = tail.split_at(usize::from(*length));
        let mut inner = if *tag == 0x0a { message } else { &[] };
        while let [field @ (0x0a | 0x12), length, text @ ..] = inner {
            let (text, tail) = text.split_at(usize::from(*length));
            known[usize::from(*field == 0x12)] = String::from_utf8(text.to_vec()).expect("text");
            inner = tail;
        }
        rest = tail;
    }
    assert_eq!(known, ["meta.k8s.io/v1", "PartialObjectMetadataList"]);
}
