//! Services over the wire: addresses and ports, and the objects that stand for them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer, reconcile};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";
const MERGE: &str = "application/merge-patch+json";

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}});
    service["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    service
}

fn causes(refused: &Value) -> Vec<&str> {
    let causes = refused["details"]["causes"].as_array().into_iter().flatten();
    causes.filter_map(|cause| cause["field"].as_str()).collect()
}

async fn address_of(api: &Api, name: &str) -> String {
    let (code, service) = api.get(&format!("{SERVICES}/{name}")).await;
    assert_eq!(code, 200, "{service}");
    service["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned()
}

async fn is_there(api: &Api, ip: &str) -> bool {
    api.get(&format!("{ADDRESSES}/{ip}")).await.0 == 200
}

#[tokio::test]
async fn a_service_has_an_ip_address_object_as_long_as_it_has_the_address() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    assert_eq!(api.json(Method::POST, SERVICES, &service("web", json!({}))).await.0, 201);
    let first = address_of(&api, "web").await;
    let (code, object) = api.get(&format!("{ADDRESSES}/{first}")).await;
    assert_eq!(code, 200, "{object}");
    let labels = json!({"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"});
    assert_eq!(object["metadata"]["labels"], labels);
    assert_eq!(object["metadata"]["managedFields"][0]["manager"], "kube-apiserver");
    assert_eq!(object["spec"], json!({"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}));
    assert!(is_there(&api, "10.96.0.1").await, "that of the service of the API itself");

    let renamed = json!({"spec": {"type": "ExternalName", "externalName": "example.com"}});
    assert_eq!(api.patch(&format!("{SERVICES}/web"), MERGE, &renamed).await.0, 200);
    assert!(!is_there(&api, &first).await, "a name has no address");
    let back = json!({"spec": {"type": "ClusterIP", "externalName": null}});
    assert_eq!(api.patch(&format!("{SERVICES}/web"), MERGE, &back).await.0, 200);
    let second = address_of(&api, "web").await;
    assert!(is_there(&api, &second).await);
    api.send(Method::DELETE, &format!("{SERVICES}/web"), None, Bytes::new()).await;
    assert!(!is_there(&api, &second).await);
    let headless = service("headless", json!({"clusterIP": "None"}));
    let before = api.get(ADDRESSES).await.1["items"].as_array().map(Vec::len);
    assert_eq!(api.json(Method::POST, SERVICES, &headless).await.0, 201);
    assert_eq!(api.get(ADDRESSES).await.1["items"].as_array().map(Vec::len), before);
}

#[tokio::test]
async fn an_address_that_somebody_else_holds_is_given_to_no_service() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let held = json!({"metadata": {"name": "10.96.77.7"},
        "spec": {"parentRef": {"group": "example.com", "resource": "gateways", "name": "edge"}}});
    assert_eq!(api.json(Method::POST, ADDRESSES, &held).await.0, 201);
    let wants = service("wants", json!({"clusterIP": "10.96.77.7"}));
    let (code, refused) = api.json(Method::POST, SERVICES, &wants).await;
    assert_eq!((code, causes(&refused)), (422, vec!["spec.clusterIPs"]));
    let tried = api.json(Method::POST, &format!("{SERVICES}?dryRun=All"), &wants).await;
    assert_eq!(tried.0, 201, "what is only tried takes no address: {}", tried.1);
    assert_eq!(api.get(&format!("{ADDRESSES}/10.96.77.7")).await.1["spec"], held["spec"]);
    api.send(Method::DELETE, &format!("{ADDRESSES}/10.96.77.7"), None, Bytes::new()).await;
    assert_eq!(api.json(Method::POST, SERVICES, &wants).await.0, 201);
}

#[tokio::test]
async fn the_object_of_an_address_waits_for_its_finalizers_when_the_service_goes() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, SERVICES, &service("web", json!({}))).await;
    let ip = address_of(&api, "web").await;
    let held = json!({"metadata": {"finalizers": ["example.com/audit"]}});
    assert_eq!(api.patch(&format!("{ADDRESSES}/{ip}"), MERGE, &held).await.0, 200);
    api.send(Method::DELETE, &format!("{SERVICES}/web"), None, Bytes::new()).await;
    assert_eq!(api.get(&format!("{SERVICES}/web")).await.0, 404);
    let (code, object) = api.get(&format!("{ADDRESSES}/{ip}")).await;
    assert_eq!((code, object["metadata"]["deletionTimestamp"].is_string()), (200, true));
    let wants = service("other", json!({"clusterIP": ip}));
    assert_eq!(api.json(Method::POST, SERVICES, &wants).await.0, 422, "nobody has it before it is let go");
    let free = json!({"metadata": {"finalizers": null}});
    assert_eq!(api.patch(&format!("{ADDRESSES}/{ip}"), MERGE, &free).await.0, 200);
    assert_eq!(api.json(Method::POST, SERVICES, &wants).await.0, 201);
}

#[tokio::test]
async fn a_value_that_cannot_be_had_is_told_before_all_else_that_is_wrong() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    let (_, first) = api.json(Method::POST, SERVICES, &service("first", json!({"type": "NodePort"}))).await;
    let taken = &first["spec"]["ports"][0]["nodePort"];
    for (spec, expected) in [
        (json!({"clusterIP": "192.0.2.9", "sessionAffinity": "Sticky"}), vec!["spec.clusterIPs"]),
        (json!({"clusterIP": first["spec"]["clusterIP"], "sessionAffinity": "Sticky"}), vec!["spec.clusterIPs"]),
        (json!({"clusterIP": "10.96.9.9", "sessionAffinity": "Sticky"}), vec!["spec.sessionAffinity"]),
        (json!({"clusterIP": "not an address", "sessionAffinity": "Sticky"}), vec!["spec.clusterIPs[0]"]),
        (
            json!({"type": "NodePort", "sessionAffinity": "Sticky", "ports": [{"port": 80, "nodePort": taken}]}),
            vec!["spec.ports[0].nodePort"],
        ),
        (
            json!({"type": "LoadBalancer", "externalName": "", "ports": [{"port": 0, "nodePort": 80}]}),
            vec!["spec.ports[0].nodePort"],
        ),
        (
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 31991},
                {"name": "b", "port": 81, "nodePort": 31991}]}),
            vec!["spec.ports[1].nodePort"],
        ),
        (
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 31991},
                {"name": "b", "port": 81, "protocol": "UDP", "nodePort": 31991}]}),
            vec!["spec.ports[1].nodePort"],
        ),
        (
            json!({"type": "ClusterIP", "sessionAffinity": "Sticky", "ports": [{"port": 80, "nodePort": taken}]}),
            vec!["spec.sessionAffinity", "spec.ports[0].nodePort"],
        ),
    ] {
        let (code, refused) = api.json(Method::POST, SERVICES, &service("second", spec.clone())).await;
        assert_eq!((code, causes(&refused)), (422, expected), "{spec}");
    }
    let again = service("first", json!({"clusterIP": first["spec"]["clusterIP"]}));
    let (code, refused) = api.json(Method::POST, SERVICES, &again).await;
    assert_eq!((code, causes(&refused)), (422, vec!["spec.clusterIPs"]), "before it is told that the name is taken");
    let both =
        json!({"type": "NodePort", "clusterIP": first["spec"]["clusterIP"], "ports": [{"port": 80, "nodePort": 80}]});
    let (_, refused) = api.json(Method::POST, SERVICES, &service("second", both)).await;
    assert_eq!(causes(&refused), ["spec.clusterIPs"], "addresses are taken before ports");
    let mut badly_named = service("Not A Name", json!({"ipFamilies": ["IPv9"]}));
    let (_, refused) = api.json(Method::POST, SERVICES, &badly_named).await;
    assert_eq!(causes(&refused), ["spec.ipFamilies[0]"], "addresses come before the name");
    badly_named["spec"]["ipFamilies"] = Value::Null;
    let (_, refused) = api.json(Method::POST, SERVICES, &badly_named).await;
    assert_eq!(causes(&refused), ["metadata.name"]);
    badly_named["metadata"]["name"] = Value::Null;
    let (_, refused) = api.json(Method::POST, SERVICES, &badly_named).await;
    assert_eq!(causes(&refused), ["spec.clusterIPs"], "its address could not say whose it is");
    let (_, refused) = api.json(Method::POST, &format!("{SERVICES}?dryRun=All"), &badly_named).await;
    assert_eq!(causes(&refused), ["metadata.name"], "what is only tried takes no address");
}

#[tokio::test]
async fn addresses_without_objects_and_objects_without_services_are_mended() {
    let server = TestServer::memory().await;
    let api = server.admin_api();
    api.json(Method::POST, SERVICES, &service("web", json!({}))).await;
    let ip = address_of(&api, "web").await;
    let path = format!("{ADDRESSES}/{ip}");
    api.send(Method::DELETE, &path, None, Bytes::new()).await;
    reconcile(&server.executor, &server.authority, server.address).await;
    assert!(is_there(&api, &ip).await);
    let unlabelled = json!({"metadata": {"labels": {"ipaddress.kubernetes.io/ip-family": null}}});
    assert_eq!(api.patch(&path, MERGE, &unlabelled).await.0, 200);
    let labels = json!({"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"});
    let parent = json!({"resource": "services", "namespace": "default", "name": "web"});
    for (name, labels) in [("10.96.5.5", &labels), ("10.96.5.6", &json!({}))] {
        let object = json!({"metadata": {"name": name, "labels": labels}, "spec": {"parentRef": parent}});
        assert_eq!(api.json(Method::POST, ADDRESSES, &object).await.0, 201);
    }
    reconcile(&server.executor, &server.authority, server.address).await;
    let (_, mended) = api.get(&path).await;
    assert_eq!(mended["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"], "IPv4");
    assert!(!is_there(&api, "10.96.5.5").await, "the service does not have it");
    assert!(is_there(&api, "10.96.5.6").await, "somebody else's is theirs");
}
