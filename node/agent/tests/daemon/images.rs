//! Images from a registry: secrets, pull policies, and what a user sees when a pull fails.

use serde_json::{Value, json};

use crate::support::{
    node::{TestNode, in_private_namespaces},
    registry::{PASSWORD, Registry, USER},
};

fn pod(image: &str, policy: &str, secret: Option<&str>) -> Value {
    let secrets: Vec<Value> = secret.into_iter().map(|name| json!({"name": name})).collect();
    json!({"spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "imagePullSecrets": secrets, "containers": [
        {"name": "main", "image": image, "imagePullPolicy": policy, "command": ["sleep", "3600"]}]}})
}

fn waits_for(reason: &str) -> impl Fn(Option<&Value>) -> Option<String> {
    move |pod| {
        let waiting = &pod?["status"]["containerStatuses"][0]["state"]["waiting"];
        (waiting["reason"] == reason).then(|| waiting["message"].as_str().unwrap_or_default().to_owned())
    }
}

fn runs(pod: Option<&Value>) -> Option<()> {
    (pod?["status"]["phase"] == "Running").then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrys_image_needs_its_secret_and_policies_say_when_it_is_pulled() {
    if !in_private_namespaces("images::a_registrys_image_needs_its_secret_and_policies_say_when_it_is_pulled") {
        return;
    }
    let node = TestNode::start().await;
    let api = &node.api;
    let registry = Registry::start(&node.folder.path().join("images/busybox.tar")).await;
    let image = format!("{}/team/tools:1", registry.address);
    for (name, password) in [("good", PASSWORD), ("bad", "wrong")] {
        let auths = json!({"auths": {registry.address.clone(): {"username": USER, "password": password}}});
        let encoded = k8s_openapi::ByteString(auths.to_string().into_bytes());
        let data = json!({".dockerconfigjson": encoded});
        api.set("secrets", "default", name, json!({"type": "kubernetes.io/dockerconfigjson", "data": data}));
    }

    api.set("pods", "default", "never", pod(&image, "Never", Some("good")));
    let message = api.until("pods", "never", "ErrImageNeverPull", waits_for("ErrImageNeverPull")).await;
    assert!(message.contains(&image) && registry.pulls() == 0, "{message}");

    for (name, secret) in [("nobody", None), ("stranger", Some("bad"))] {
        api.set("pods", "default", name, pod(&image, "IfNotPresent", secret));
        let message = api.until("pods", name, "ErrImagePull", waits_for("ErrImagePull")).await;
        assert!(message.contains(&image) && !message.contains("wrong"), "{message}");
        let message = api.until("pods", name, "ImagePullBackOff", waits_for("ImagePullBackOff")).await;
        assert!(message.contains("Back-off pulling image"), "{message}");
    }
    api.until_event("BackOff").await;
    assert_eq!(registry.pulls(), 0);

    api.set("pods", "default", "friend", pod(&image, "IfNotPresent", Some("good")));
    api.until("pods", "friend", "Running", runs).await;
    let pulls = registry.pulls();
    assert!(pulls > 0);
    api.set("pods", "default", "again", pod(&image, "IfNotPresent", None));
    api.until("pods", "again", "Running", runs).await;
    assert_eq!(registry.pulls(), pulls, "the image is there: nothing is asked");
    api.set("pods", "default", "fresh", pod(&image, "Always", Some("good")));
    api.until("pods", "fresh", "Running", runs).await;
    assert!(registry.pulls() > pulls, "the policy Always asks each time");
    for name in ["never", "nobody", "stranger", "friend", "again", "fresh"] {
        api.delete_pod(name, 0);
        api.until("pods", name, "gone", |pod| pod.is_none().then_some(())).await;
    }
}
