//! What a client gets that asks for nonsense: the code and reason that Kubernetes users know, never a 500.

use std::sync::LazyLock;

use anyhow::Result;
use gantry_tests::{Cluster, Http, Options, cluster::end_at_exit};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";

/// One control plane for all tests of this file.
static CLUSTER: LazyLock<Result<(Http, gantry_tests::Kubectl), String>> = LazyLock::new(|| {
    let started = || -> Result<_> {
        let cluster = Cluster::start(Options::control_plane())?;
        let parts = (Http::new(&cluster.kubeconfig())?, cluster.kubectl());
        end_at_exit(cluster);
        Ok(parts)
    };
    started().map_err(|error| format!("{error:#}"))
});

fn http() -> Result<&'static Http> {
    CLUSTER.as_ref().map(|(http, _)| http).map_err(|error| anyhow::anyhow!("{error}"))
}

fn kubectl() -> Result<&'static gantry_tests::Kubectl> {
    CLUSTER.as_ref().map(|(_, kubectl)| kubectl).map_err(|error| anyhow::anyhow!("{error}"))
}

#[test]
fn unknown_paths_versions_kinds_and_methods_are_named() -> Result<()> {
    let http = http()?;
    for (method, path, code) in [
        ("GET", "/apis/none.example.com/v1/things", 404),
        ("GET", "/apis/apps/v9/deployments", 404),
        ("GET", "/api/v1/namespaces/default/nonsense", 404),
        ("GET", "/api/v1/namespaces/default/pods/x/nonsense", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/absent", 404),
        ("PUT", MAPS, 405),
        ("POST", "/api/v1/namespaces/default/configmaps/x", 405),
        ("DELETE", "/version", 405),
        ("FROBNICATE", MAPS, 405),
    ] {
        let answer = http.send(method, path, JSON, b"")?;
        assert_eq!(answer.code, code, "{method} {path}: {}", answer.body);
    }
    Ok(())
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_what_is_wrong() -> Result<()> {
    let http = http()?;
    let nested = |open: &str, times: usize| format!("{{\"metadata\":{{\"name\":\"a\"}},\"x\":{}", open.repeat(times));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    for (content_type, body, code, reason) in [
        (JSON, "{\"metadata\": {}".to_owned(), 400, "BadRequest"),
        (JSON, "[]".into(), 400, "BadRequest"),
        (JSON, nested("[", 20_000), 400, "BadRequest"),
        (JSON, nested("{\"a\":", 20_000), 400, "BadRequest"),
        (JSON, "{\"kind\":\"Nonsense\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}".into(), 400, "BadRequest"),
        (
            JSON,
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v9\",\"metadata\":{\"name\":\"a\"}}".into(),
            400,
            "BadRequest",
        ),
        (JSON, "{\"metadata\":{\"name\":7}}".into(), 400, "BadRequest"),
        ("application/yaml", "metadata: [\n".into(), 400, "BadRequest"),
        ("application/yaml", "a: *nobody\n".into(), 400, "BadRequest"),
        ("application/yaml", bomb.into(), 400, "BadRequest"),
        ("application/vnd.kubernetes.protobuf", "k8s\0\u{12}\u{7f}".into(), 400, "BadRequest"),
        ("application/vnd.kubernetes.protobuf", "nonsense".into(), 400, "BadRequest"),
        ("text/plain", "x".into(), 415, "UnsupportedMediaType"),
        ("application/nonsense", "{}".into(), 415, "UnsupportedMediaType"),
        (JSON, " ".repeat((3 << 20) + 1), 413, "RequestEntityTooLarge"),
    ] {
        let answer = http.send("POST", MAPS, content_type, body.as_bytes())?;
        let shown: String = body.chars().take(60).collect();
        assert_eq!((answer.code, &*answer.reason()), (code, reason), "{content_type} {shown:?}: {}", answer.body);
    }
    let answer = http.send("PATCH", &format!("{MAPS}/kube-root-ca.crt"), JSON, b"{}")?;
    assert_eq!(answer.code, 415, "a patch has types of its own: {}", answer.body);
    Ok(())
}

#[test]
fn names_that_are_no_dns_names_and_unknown_fields_are_refused_with_the_field() -> Result<()> {
    let http = http()?;
    let long = "a".repeat(254);
    for name in ["Bad", "-a", "a-", "a_b", "a b", "ä", "a..b", &long] {
        let body = serde_json::json!({"metadata": {"name": name}}).to_string();
        let answer = http.post(MAPS, &body)?;
        let cause = &answer.json()["details"]["causes"][0];
        assert_eq!((answer.code, cause["field"].as_str()), (422, Some("metadata.name")), "{name:?}: {}", answer.body);
    }
    let namespace = http.post("/api/v1/namespaces", "{\"metadata\":{\"name\":\"dots.are.wrong\"}}")?;
    assert_eq!(namespace.code, 422, "{}", namespace.body);
    let strict =
        http.post(&format!("{MAPS}?fieldValidation=Strict"), "{\"metadata\":{\"name\":\"a\"},\"datum\":{}}")?;
    assert_eq!(strict.code, 400);
    assert!(strict.body.contains("unknown field \\\"datum\\\""), "{}", strict.body);
    let bad_option = http.post(&format!("{MAPS}?fieldValidation=Loose"), "{\"metadata\":{\"name\":\"a\"}}")?;
    assert_eq!(bad_option.code, 422, "{}", bad_option.body);
    Ok(())
}

#[test]
fn a_stale_version_conflicts_and_who_may_not_is_forbidden() -> Result<()> {
    let (http, kubectl) = (http()?, kubectl()?);
    let made = http.post(MAPS, "{\"metadata\":{\"name\":\"stale\"}}")?.json();
    let with = |value: &str| {
        serde_json::json!({"metadata": {"name": "stale",
        "resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"v": value}})
        .to_string()
    };
    let path = format!("{MAPS}/stale");
    assert_eq!(http.send("PUT", &path, JSON, with("1").as_bytes())?.code, 200);
    let stale = http.send("PUT", &path, JSON, with("2").as_bytes())?;
    assert_eq!((stale.code, &*stale.reason()), (409, "Conflict"));
    let garbage = with("3").replace(made["metadata"]["resourceVersion"].as_str().unwrap_or_default(), "garbage");
    let garbage = http.send("PUT", &path, JSON, garbage.as_bytes())?;
    assert!((400..500).contains(&garbage.code), "{}", garbage.body);
    let again = http.post(MAPS, "{\"metadata\":{\"name\":\"stale\"}}")?;
    assert_eq!((again.code, &*again.reason()), (409, "AlreadyExists"));

    let forbidden = kubectl.fails("get secrets --as jane")?;
    assert!(forbidden.contains("Forbidden") && forbidden.contains("jane"), "{forbidden}");
    Ok(())
}

#[test]
fn hostile_selectors_tokens_and_patches_are_refused() -> Result<()> {
    let http = http()?;
    for query in [
        "labelSelector=a+in+b",
        "labelSelector=%3D%3D",
        "fieldSelector=data.a%3Db",
        "limit=x",
        "continue=AAAA",
        "continue=%00",
        "resourceVersion=abc",
        "resourceVersionMatch=Exact",
        "watch=1&resourceVersion=abc",
        "timeoutSeconds=x&watch=1",
    ] {
        let answer = http.get(&format!("{MAPS}?{query}"))?;
        assert!((400..500).contains(&answer.code), "{query}: {} {}", answer.code, answer.body);
    }
    http.post(MAPS, "{\"metadata\":{\"name\":\"patched\"},\"data\":{\"a\":\"b\"}}")?;
    let operations = vec!["{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"b\"}"; 10_001].join(",");
    for (kind, body) in [
        ("json-patch", format!("[{operations}]")),
        ("json-patch", "[{\"op\":\"frobnicate\",\"path\":\"/data\"}]".into()),
        ("json-patch", "[{\"op\":\"remove\",\"path\":\"/absent/x\"}]".into()),
        ("json-patch", "{}".into()),
        ("merge-patch", "[".into()),
        ("merge-patch", format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000))),
        ("strategic-merge-patch", "{\"metadata\":7}".into()),
        ("apply-patch", "{}".into()),
    ] {
        let content_type =
            if kind == "apply-patch" { "application/apply-patch+yaml" } else { &format!("application/{kind}+json") };
        let answer = http.send("PATCH", &format!("{MAPS}/patched"), content_type, body.as_bytes())?;
        let shown: String = body.chars().take(60).collect();
        assert!((400..500).contains(&answer.code), "{kind} {shown}: {} {}", answer.code, answer.body);
    }
    Ok(())
}
