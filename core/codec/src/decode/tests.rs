use super::*;
use gantry_kinds::catalog;
use serde_json::json;

fn resource(plural: &str) -> Expected<'static> {
    catalog().resources().find(|r| r.plural == plural).expect("a built-in resource").into()
}

fn json_body(plural: &str, body: &str) -> Result<Decoded, DecodeError> {
    decode(resource(plural), body.as_bytes(), Format::Json, Strictness::Warn)
}

fn tree(plural: &str, body: &str) -> Value {
    Value::Object(json_body(plural, body).expect("a good body").object)
}

#[test]
fn kind_and_version_are_filled_in_and_must_match() {
    assert_eq!(tree("configmaps", "{}"), json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}}));
    assert_eq!(tree("configmaps", "null"), tree("configmaps", "{}"));
    for bad in [r#"{"kind":"Secret"}"#, r#"{"apiVersion":"v2"}"#, r#"{"kind":"ConfigMapList"}"#] {
        assert!(matches!(json_body("configmaps", bad), Err(DecodeError::WrongKind { .. })), "{bad}");
    }
}

#[test]
fn unknown_and_repeated_fields_are_found_wherever_they_are() {
    let body = r#"{"spec":{"ports":[{"port":1,"portt":2}],"typo":{"deep":[1]}},"metadata":{"labels":{"a":"1","a":"2"}},"spec":{}}"#;
    let warnings = json_body("services", body).unwrap().warnings;
    let expected = [
        r#"unknown field "spec.ports[0].portt""#,
        r#"unknown field "spec.typo""#,
        r#"duplicate field "metadata.labels.a""#,
        r#"duplicate field "spec""#,
    ];
    assert_eq!(warnings, expected);
    let strict = decode(resource("services"), body.as_bytes(), Format::Json, Strictness::Strict);
    let text = strict.unwrap_err().to_string();
    let told = format!("strict decoding error: {}", expected.join(", "));
    assert_eq!(text, format!("Service in version \"v1\" cannot be handled as a Service: {told}"));
}

#[test]
fn what_is_told_once_is_not_told_again() {
    let body =
        r#"{"kind":"Service","kind":"Service","kind":"Service","spec":{"a":1,"a":2,"ports":[{"b":1,"b":2},{"b":1}]}}"#;
    let expected = [
        r#"duplicate field "kind""#,
        r#"unknown field "spec.a""#,
        r#"unknown field "spec.ports[0].b""#,
        r#"unknown field "spec.ports[1].b""#,
    ];
    assert_eq!(json_body("services", body).unwrap().warnings, expected);
}

#[test]
fn members_of_what_is_kept_as_sent_are_not_looked_at() {
    let body = r#"{"revision":1,"revision":2,"data":{"a":1,"a":2,"b":{"c":1,"c":2}}}"#;
    assert_eq!(json_body("controllerrevisions", body).unwrap().warnings, [r#"duplicate field "revision""#]);
}

#[test]
fn bytes_may_be_a_list_of_numbers_in_yaml_as_in_json() {
    for (format, body) in
        [(Format::Yaml, "data: {k: [104, 105], none: []}"), (Format::Json, r#"{"data":{"k":[104,105],"none":[]}}"#)]
    {
        let decoded = decode(resource("secrets"), body.as_bytes(), format, Strictness::Strict).unwrap();
        assert_eq!(decoded.object["data"], json!({"k": "aGk=", "none": ""}));
    }
    assert!(decode(resource("secrets"), b"data: {k: [256]}", Format::Yaml, Strictness::Ignore).is_err());
}

#[test]
fn strict_readers_of_yaml_are_told_of_repeated_keys_in_one() {
    let body = b"data: {a: b}\nx: 1\ndata: {a: c}\nx: 2\n";
    let refused = decode(resource("configmaps"), body, Format::Yaml, Strictness::Strict).unwrap_err().to_string();
    let keys =
        "yaml: unmarshal errors:\n  line 3: key \"data\" already set in map\n  line 4: key \"x\" already set in map";
    assert!(refused.ends_with(&format!("strict decoding error: {keys}, unknown field \"x\"")), "{refused}");
}

#[test]
fn names_are_matched_by_their_exact_case() {
    let decoded = json_body("configmaps", r#"{"Data":{"k":"v"},"ApiVersion":"v9"}"#).unwrap();
    assert_eq!(decoded.warnings.len(), 2);
    assert!(!decoded.object.contains_key("data"));
}

#[test]
fn numbers_of_many_digits_stay_what_they_are_when_written_and_read_again() {
    for digits in ["8".repeat(56), format!("0.{}", "123456789".repeat(4)), "1.7976931348623157e308".to_owned()] {
        let first = tree("controllerrevisions", &format!(r#"{{"data":{digits}}}"#));
        assert_eq!(first["data"].as_f64(), digits.parse().ok());
        assert_eq!(tree("controllerrevisions", &first.to_string()), first);
    }
}

#[test]
fn wrong_types_are_refused_with_the_place() {
    let bad = [
        ("services", r#"{"spec":{"ports":[{"port":"80"}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":80.0}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":8e1}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":2147483648}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":99999999999999999999}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":true}]}}"#),
        ("services", r#"{"spec":{"ports":[{"targetPort":80.5}]}}"#),
        ("configmaps", r#"{"data":{"k":1}}"#),
        ("configmaps", r#"{"data":["k"]}"#),
        ("configmaps", r#"{"metadata":"x"}"#),
        ("secrets", r#"{"data":{"x":"aGVsbG8"}}"#),
        ("limitranges", r#"{"spec":{"limits":[{"max":{"cpu":"abc"}}]}}"#),
        ("limitranges", r#"{"spec":{"limits":[{"max":{"cpu":true}}]}}"#),
        ("leases", r#"{"spec":{"renewTime":"2024-05-06T07:08:09Z"}}"#),
        ("leases", r#"{"spec":{"renewTime":1714979289}}"#),
    ];
    for (plural, body) in bad {
        assert!(matches!(json_body(plural, body), Err(DecodeError::Unfit { .. })), "{body}");
    }
    let text = json_body("configmaps", r#"{"data":{"k":1}}"#).unwrap_err().to_string();
    assert!(text.contains("as a ConfigMap: data.k: expected string, found number"), "{text}");
}

#[test]
fn bodies_that_are_not_one_json_object_are_refused() {
    for bad in ["", "[]", "{", "{} trailing", "{'a':1}", r#"{"a":080}"#, r#""x""#, "1"] {
        assert!(json_body("configmaps", bad).is_err(), "{bad}");
    }
}

#[test]
fn null_is_unset_and_zeros_are_kept_only_where_they_mean_something() {
    let pod = tree(
        "pods",
        r#"{"metadata":{"labels":null,"generation":0},"spec":{"terminationGracePeriodSeconds":0,"hostNetwork":false,
            "nodeSelector":{},"containers":[{"name":"c","args":null,"env":[{"name":"A","value":null}],"resources":null,
            "ports":[{"containerPort":80,"hostPort":0}]}]},"status":null}"#,
    );
    let expected = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}, "status": {}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "env": [{"name": "A"}], "resources": {}, "ports": [{"containerPort": 80}]}]}});
    assert_eq!(pod, expected);
    assert_eq!(tree("configmaps", r#"{"data":{"k":null}}"#)["data"], json!({"k": ""}));
    assert_eq!(tree("roles", "{}")["rules"], json!(null));
    // Until it is stored: who sends an empty list owns it.
    assert_eq!(tree("roles", r#"{"rules":[]}"#)["rules"], json!([]));
    assert_eq!(tree("roles", r#"{"metadata":{"managedFields":[]}}"#)["metadata"], json!({"managedFields": []}));
}

#[test]
fn quantities_times_and_text_are_put_into_their_normal_form() {
    let limits = r#"{"spec":{"limits":[{"type":"Pod","max":{"cpu":2,"memory":"1024Mi"},"min":{"cpu":0.5}}]}}"#;
    let limits = &tree("limitranges", limits)["spec"]["limits"][0];
    assert_eq!((&limits["max"], &limits["min"]), (&json!({"cpu": "2", "memory": "1Gi"}), &json!({"cpu": "500m"})));
    let limits =
        r#"{"spec":{"limits":[{"type":"Pod","max":{"a":12345678901234567890123,"b":1e3,"c":"\u0031Ki","d":-0.5}}]}}"#;
    let max = json!({"a": "12345678901234567890123", "b": "1e3", "c": "1Ki", "d": "-500m"});
    assert_eq!(tree("limitranges", limits)["spec"]["limits"][0]["max"], max, "no digit is lost");
    let lone = tree("configmaps", r#"{"data":{"lone":"\ud800x","pair":"\ud83d\ude00"}}"#);
    assert_eq!(lone["data"], json!({"lone": "\u{fffd}x", "pair": "😀"}));
    let event = tree("events", r#"{"eventTime":null,"firstTimestamp":"2024-05-06T07:08:09+02:00"}"#);
    assert_eq!((&event["eventTime"], &event["firstTimestamp"]), (&json!(null), &json!("2024-05-06T05:08:09Z")));
}

#[test]
fn yaml_is_decoded_by_the_same_types() {
    let body = "metadata: {name: a}\nimmutable: on\ndata: {y: \"1\"}\n";
    let decoded = decode(resource("configmaps"), body.as_bytes(), Format::Yaml, Strictness::Warn).unwrap();
    assert_eq!(decoded.object["data"], json!({"true": "1"}));
    assert_eq!(decoded.object["immutable"], json!(true));
    for bad in ["metadata: {name: y}", "data: {a: 1}", "just words", "- a"] {
        assert!(decode(resource("configmaps"), bad.as_bytes(), Format::Yaml, Strictness::Warn).is_err(), "{bad}");
    }
    assert!(decode(resource("configmaps"), b"", Format::Yaml, Strictness::Warn).is_ok());
}

#[test]
fn nesting_is_bounded_where_values_are_kept_and_free_where_they_are_dropped() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(json_body("configmaps", &format!(r#"{{"x":{}}}"#, nested(500))).is_ok());
    assert!(matches!(json_body("configmaps", &format!(r#"{{"x":{}}}"#, nested(10_001))), Err(DecodeError::TooDeep(_))));
    assert!(json_body("controllerrevisions", &format!(r#"{{"data":{}}}"#, nested(500))).is_err());
    assert!(json_body("controllerrevisions", &format!(r#"{{"data":{}}}"#, nested(50))).is_ok());
}

#[test]
fn a_tree_decodes_to_the_same_as_its_text() {
    let bodies = [
        (
            "deployments",
            r#"{"metadata":{"name":"a"},"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"c","x":1}]}}}}"#,
        ),
        ("deployments", "null"),
        (
            "deployments",
            r#"{"metadata":{"labels":{"a":null},"annotations":null,"managedFields":[],"y":{"z":1}},"x":1}"#,
        ),
        ("pods", r#"{"spec":{"hostNetwork":false,"containers":[null,{"args":[null],"ports":[{"hostPort":-0.0}]}]}}"#),
        ("roles", r#"{"rules":[]}"#),
        ("roles", r#"{"rules":null}"#),
        ("secrets", r#"{"data":{"x":"aGVs\nbG8=","y":""}}"#),
        ("events", r#"{"eventTime":null,"firstTimestamp":"2024-05-06T07:08:09+02:00"}"#),
        ("limitranges", r#"{"spec":{"limits":[{"max":{"cpu":2,"memory":"1024Mi"},"min":{"cpu":0.5}}]}}"#),
        (
            "controllerrevisions",
            r#"{"revision":1,"data":{"a":[1,null,{"b":null,"c":1.5,"d":true,"e":18446744073709551615}]}}"#,
        ),
        ("services", r#"{"spec":{"ports":[{"port":1,"targetPort":"http"},{"port":2,"targetPort":8080}]}}"#),
        ("services", r#"{"spec":{"ports":[{"port":"80"}]}}"#),
        ("services", r#"{"spec":{"ports":{"port":80}}}"#),
        ("services", r#"{"spec":[]}"#),
        ("services", r#"{"spec":{"ports":[{"port":2147483648}]}}"#),
        ("services", r#"{"spec":{"clusterIPs":[true]}}"#),
        ("configmaps", r#"{"data":{"k":1}}"#),
        ("configmaps", r#"{"data":"k"}"#),
        ("leases", r#"{"spec":{"renewTime":1714979289}}"#),
    ];
    for (plural, body) in bodies {
        let value = serde_json::from_str(body).expect("the test's body is JSON");
        let (tree, text) = (decode_value(resource(plural), value, Strictness::Warn), json_body(plural, body));
        match (tree, text) {
            (Ok(tree), Ok(text)) => assert_eq!(tree, text, "{body}"),
            // A text's error ends with the line and column.
            (Err(tree), Err(text)) => {
                assert!(text.to_string().contains(&tree.to_string()), "{tree} and {text} of {body}");
            }
            (tree, text) => panic!("{tree:?} and {text:?} of {body}"),
        }
    }
}

#[test]
fn a_struct_or_map_that_comes_twice_keeps_what_the_second_does_not_name() {
    let twice = tree(
        "deployments",
        r#"{"metadata":{"name":"a","labels":{"x":"1","y":"1"}},"metadata":{"namespace":"n","labels":{"y":"2"}},
            "spec":{"replicas":2,"template":{"spec":{"hostname":"h"}}},"spec":{"paused":true,"template":{}},
            "spec":{"replicas":3}}"#,
    );
    assert_eq!(twice["metadata"], json!({"labels": {"x": "1", "y": "2"}, "name": "a", "namespace": "n"}));
    assert_eq!(twice["spec"]["replicas"], 3);
    assert_eq!(twice["spec"]["paused"], true);
    assert_eq!(twice["spec"]["template"]["spec"]["hostname"], "h");
    let unset = tree(
        "deployments",
        r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1},"rollingUpdate":null},"paused":true},"spec":null}"#,
    );
    assert_eq!(unset["spec"]["paused"], true, "a struct held by value cannot be unset");
    assert_eq!(unset["spec"]["strategy"], json!({}));
}

#[test]
fn an_amount_beyond_64_signed_bits_keeps_its_digits() {
    let limits = tree("limitranges", r#"{"spec":{"limits":[{"max":{"cpu":9223372036854775808}}]}}"#);
    assert_eq!(limits["spec"]["limits"][0]["max"]["cpu"], "9223372036854775808");
}

#[test]
fn bytes_may_be_a_list_of_numbers() {
    assert_eq!(
        tree("secrets", r#"{"data":{"k":[104,105],"e":[],"n":[null]}}"#)["data"],
        json!({"k": "aGk=", "e": "", "n": "AA=="})
    );
    for bad in ["[256]", "[-1]", "[\"a\"]", "[1.5]", "{}"] {
        assert!(json_body("secrets", &format!(r#"{{"data":{{"k":{bad}}}}}"#)).is_err(), "{bad}");
    }
}

#[test]
fn what_is_stored_is_read_back_and_nothing_else_is() {
    let object = json_body("configmaps", r#"{"metadata":{"name":"a"},"data":{"k":"\u00e4\n"}}"#).unwrap().object;
    assert_eq!(parse_stored(&crate::encode_stored(&object)).unwrap(), object);
    let others: [&[u8]; 4] = [b"", b"[]", b"{", b"{\"a\":\"\xff\"}"];
    assert!(others.iter().all(|other| parse_stored(other).is_err()));
}

#[test]
fn decoding_again_changes_nothing() {
    let body = r#"{"metadata":{"name":"a"},"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"c"}]}}}}"#;
    let once = json_body("deployments", body).unwrap().object;
    let again = decode_value(resource("deployments"), Value::Object(once.clone()), Strictness::Strict);
    assert_eq!(again.unwrap().object, once);
}

#[test]
fn a_lifecycle_of_nothing_but_a_gated_signal_goes_with_it() {
    let lifecycle = |lifecycle: Value| {
        let body = json!({"spec": {"containers": [{"name": "c", "image": "i", "lifecycle": lifecycle}]}});
        let read = tree("pods", &body.to_string());
        let Value::Object(mut whole) = body else { unreachable!("an object is written above") };
        whole.extend([("kind".to_owned(), "Pod".into()), ("apiVersion".to_owned(), "v1".into())]);
        let patched =
            decode_value(resource("pods"), Value::Object(whole), Strictness::Warn).expect("a good tree").object;
        assert_eq!(read, Value::Object(patched), "a body and a tree are read alike");
        read["spec"]["containers"][0].get("lifecycle").cloned()
    };
    assert_eq!(lifecycle(json!({"stopSignal": "SIGUSR2"})), None);
    assert_eq!(lifecycle(json!({})), Some(json!({})), "what was empty before stays");
    let kept = json!({"preStop": {"sleep": {"seconds": 2}}});
    let mut both = kept.clone();
    both["stopSignal"] = "SIGUSR2".into();
    assert_eq!(lifecycle(both), Some(kept));
}
