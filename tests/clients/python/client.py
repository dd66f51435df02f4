"""The official Python client against a running server. Usage: client.py KUBECONFIG NAMESPACE. Exits 0 when all is as expected."""

import sys
import threading

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException


def expect_status(code, reason, call):
    try:
        call()
    except ApiException as error:
        assert error.status == code, (error.status, error.body)
        assert f'"reason":"{reason}"' in error.body.replace(" ", ""), error.body
        return
    raise AssertionError(f"expected {code} {reason}")


def objects(core, namespace):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="typed", labels={"app": "py"}), data={"a": "1"})
    made = core.create_namespaced_config_map(namespace, body)
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo
    expect_status(409, "AlreadyExists", lambda: core.create_namespaced_config_map(namespace, body))
    made.data["b"] = "2"
    updated = core.replace_namespaced_config_map("typed", namespace, made)
    expect_status(409, "Conflict", lambda: core.replace_namespaced_config_map("typed", namespace, made))
    patched = core.patch_namespaced_config_map("typed", namespace, {"data": {"a": None, "c": "3"}})
    assert patched.data == {"b": "2", "c": "3"}, patched.data
    assert int(patched.metadata.resource_version) > int(updated.metadata.resource_version)
    json_patch = [{"op": "replace", "path": "/data/c", "value": "4"}]
    assert core.patch_namespaced_config_map("typed", namespace, json_patch).data["c"] == "4"
    expect_status(404, "NotFound", lambda: core.read_namespaced_config_map("missing", namespace))
    bad = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="Not_A_Name"))
    expect_status(422, "Invalid", lambda: core.create_namespaced_config_map(namespace, bad))


def pages_and_selectors(core, namespace):
    for n in range(7):
        meta = client.V1ObjectMeta(name=f"page-{n}", labels={"parity": "even" if n % 2 == 0 else "odd"})
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=meta))
    seen, token = [], None
    while True:
        page = core.list_namespaced_config_map(namespace, limit=3, _continue=token, label_selector="parity")
        seen += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert seen == [f"page-{n}" for n in range(7)], seen
    odd = core.list_namespaced_config_map(namespace, label_selector="parity notin (even),parity")
    assert len(odd.items) == 3
    one = core.list_namespaced_config_map(namespace, field_selector="metadata.name=page-3")
    assert [item.metadata.name for item in one.items] == ["page-3"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="parity=even")
    assert len(core.list_namespaced_config_map(namespace, label_selector="parity").items) == 3


def watches(core, namespace):
    start = core.list_namespaced_secret(namespace).metadata.resource_version
    seen, watcher = [], watch.Watch()

    def follow():
        for event in watcher.stream(core.list_namespaced_secret, namespace, resource_version=start, timeout_seconds=30):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                watcher.stop()

    follower = threading.Thread(target=follow)
    follower.start()
    core.create_namespaced_secret(namespace, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"}))
    core.patch_namespaced_secret("s", namespace, {"metadata": {"labels": {"x": "y"}}})
    core.delete_namespaced_secret("s", namespace)
    follower.join(40)
    assert seen == [("ADDED", "s"), ("MODIFIED", "s"), ("DELETED", "s")], seen


def dynamic_client(api, namespace):
    resources = dynamic.DynamicClient(api).resources
    deployments = resources.get(api_version="apps/v1", kind="Deployment")
    manifest = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dyn"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                 "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }
    made = deployments.create(body=manifest, namespace=namespace)
    assert made.spec.strategy.type == "RollingUpdate"
    applied = deployments.server_side_apply(
        body={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dyn"}, "spec": {"replicas": 2}},
        name="dyn", namespace=namespace, field_manager="python", force_conflicts=True)
    assert applied.spec.replicas == 2
    scale = client.AppsV1Api(api).read_namespaced_deployment_scale("dyn", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (2, "a=b"), scale
    deployments.delete(name="dyn", namespace=namespace)


def yaml_helper(api, namespace):
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
                "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}}
    made = utils.create_from_dict(api, document)[0]
    assert made.spec.cluster_ip and made.spec.ports[0].target_port == "http"


def main():
    kubeconfig, namespace = sys.argv[1:]
    config.load_kube_config(kubeconfig)
    api = client.ApiClient()
    core = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    objects(core, namespace)
    pages_and_selectors(core, namespace)
    watches(core, namespace)
    dynamic_client(api, namespace)
    yaml_helper(api, namespace)
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(
        resource_attributes=client.V1ResourceAttributes(verb="get", resource="pods")))
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(review).status.allowed
    assert client.VersionApi(api).get_code().minor.startswith("36")
    core.delete_namespace(namespace)


main()
