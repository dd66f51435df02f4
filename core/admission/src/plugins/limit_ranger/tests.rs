use gantry_auth::UserInfo;
use gantry_meta::{GroupVersionResource, Value};
use serde_json::json;

use super::*;
use crate::plugins::testing::Stored;

fn plugin(ranges: &[Value]) -> LimitRanger {
    let ranges: Vec<Value> = ranges.iter().map(|limits| json!({"spec": {"limits": limits}})).collect();
    LimitRanger::new(Arc::new(Stored::new("limitranges", &ranges)))
}

/// What a write of a pod (`create`), its resize or a claim is answered with: the object as it would be stored, or why it is not.
async fn admitted(
    ranges: &[Value],
    resource: (&str, &str),
    operation: Operation,
    object: Value,
) -> Result<Value, String> {
    let gvr = GroupVersionResource::new("", "v1", resource.0);
    let user = UserInfo::loopback();
    let (namespace, name, subresource) = ("ns", "it", resource.1);
    let attributes =
        Attributes { operation, resource: &gvr, subresource, namespace, name, user: &user, dry_run: false };
    let (plugin, mut object) = (plugin(ranges), object.as_object().cloned().unwrap());
    if MutatingPlugin::handles(&plugin, &attributes) {
        plugin.admit(&attributes, Some(&mut object), None).await.map_err(|status| status.message)?;
    }
    if ValidatingPlugin::handles(&plugin, &attributes) {
        plugin.validate(&attributes, Some(&object), None).await.map_err(|status| status.message)?;
    }
    Ok(Value::Object(object))
}

async fn pod(limits: Value, spec: Value) -> Result<Value, String> {
    admitted(&[limits], ("pods", ""), Operation::Create, json!({"metadata": {"name": "it"}, "spec": spec})).await
}

fn container(name: &str, resources: Value) -> Value {
    json!({"name": name, "resources": resources})
}

#[tokio::test]
async fn containers_get_what_they_do_not_state_and_an_annotation_says_so() {
    let limits = json!([{"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "500m"}},
        {"type": "Pod", "default": {"cpu": "9"}}]);
    let stated = container("a", json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}));
    let spec = json!({"containers": [stated, {"name": "b"}], "initContainers": [{"name": "i"}]});
    let made = pod(limits, spec).await.unwrap();
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}})
    );
    let all = json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
    assert_eq!(
        (&made["spec"]["containers"][1]["resources"], &made["spec"]["initContainers"][0]["resources"]),
        (&all, &all)
    );
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: memory limit for container a; cpu request for container b; cpu, memory limit for \
         container b; cpu request for init container i; cpu, memory limit for init container i"
    );
}

#[tokio::test]
async fn a_container_is_held_to_minimum_maximum_and_ratio() {
    let limits = |member: &str, amount: &str| json!([{"type": "Container", member: {"memory": amount}}]);
    let with = |request: &str, limit: &str| json!({"containers": [container("a", json!({"requests": {"memory": request}, "limits": {"memory": limit}}))]});
    for (member, amount, request, limit, refused) in [
        ("min", "10Mi", "10Mi", "10Mi", None),
        ("min", "10Mi", "9Mi", "20Mi", Some("minimum memory usage per Container is 10Mi, but request is 9Mi")),
        ("max", "10Mi", "1Mi", "10240Ki", None),
        ("max", "10Mi", "1Mi", "11Mi", Some("maximum memory usage per Container is 10Mi, but limit is 11Mi")),
        ("maxLimitRequestRatio", "2", "5Mi", "10Mi", None),
        ("maxLimitRequestRatio", "1500m", "2Mi", "4Mi", Some("but provided ratio is 2.000000")),
    ] {
        let answer = pod(limits(member, amount), with(request, limit)).await;
        match refused {
            None => assert!(answer.is_ok(), "{answer:?}"),
            Some(text) => assert!(answer.as_ref().is_err_and(|why| why.contains(text)), "{answer:?}"),
        }
    }
    let both = json!([{"type": "Container", "min": {"cpu": "1"}, "max": {"memory": "1Gi"}}]);
    let refused = pod(both, json!({"containers": [{"name": "a"}, {"name": "b"}]})).await.unwrap_err();
    assert_eq!(
        refused,
        "pods \"it\" is forbidden: [minimum cpu usage per Container is 1.  No request is specified, maximum memory usage per \
         Container is 1Gi.  No limit is specified]"
    );
}

#[tokio::test]
async fn a_pod_is_held_to_what_its_containers_need_together() {
    let limits = json!([{"type": "Pod", "max": {"cpu": "3"}}]);
    let of = |cpu: &str| json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
    let (a, b) = (container("a", of("1")), container("b", of("1")));
    let init = |cpu: &str| container("i", of(cpu));
    let sidecar = json!({"name": "s", "restartPolicy": "Always", "resources": of("1")});
    for (containers, inits, fits) in [
        (json!([a, b]), json!([init("3")]), true),
        (json!([a, b]), json!([init("3500m")]), false),
        (json!([a, b]), json!([sidecar, init("2")]), true),
        (json!([a, b]), json!([sidecar, init("2500m")]), false),
        (json!([a, b]), json!([init("2500m"), sidecar]), true),
        (json!([a, b, container("c", of("2"))]), json!([]), false),
    ] {
        let answer = pod(limits.clone(), json!({"containers": containers, "initContainers": inits})).await;
        assert_eq!(answer.is_ok(), fits, "{inits}: {answer:?}");
    }
    let whole = json!({"containers": [a, b], "resources": of("4")});
    assert!(pod(limits, whole).await.unwrap_err().contains("maximum cpu usage per Pod is 3, but limit is 4"));
}

#[tokio::test]
async fn resizes_and_claims_are_held_to_limits_and_other_updates_are_not() {
    let limits = [json!([{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
        {"type": "Container", "max": {"cpu": "1"}}])];
    let claim = |storage: &str| json!({"spec": {"resources": {"requests": {"storage": storage}}}});
    for (storage, fits) in [("1Gi", true), ("2Gi", true), ("1Mi", false), ("3Gi", false)] {
        for operation in [Operation::Create, Operation::Update] {
            let answer = admitted(&limits, ("persistentvolumeclaims", ""), operation, claim(storage)).await;
            assert_eq!(answer.is_ok(), fits, "{storage}: {answer:?}");
        }
    }
    let large = json!({"spec": {"containers": [container("a", json!({"limits": {"cpu": "2"}}))]}});
    for (subresource, fits) in [("resize", false), ("", true), ("status", true)] {
        let answer = admitted(&limits, ("pods", subresource), Operation::Update, large.clone()).await;
        assert_eq!(answer.is_ok(), fits, "{subresource}: {answer:?}");
    }
}
