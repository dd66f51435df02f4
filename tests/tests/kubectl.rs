//! Everyday kubectl against a control plane: what needs no running container.

use std::time::Duration;

use anyhow::Result;
use gantry_tests::{Cluster, Kubectl};

/// One control plane for all tests of this file; each works in a namespace of its own.
fn kubectl() -> Result<Kubectl> {
    Ok(Kubectl::new(&Cluster::shared_control_plane()?))
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_cluster_introduces_itself() -> Result<()> {
    let kubectl = kubectl()?;
    assert!(kubectl.run("cluster-info")?.contains("Kubernetes control plane"));
    assert!(kubectl.run("version")?.contains("Server Version: v1.36"));
    assert!(kubectl.run("config get-contexts -o name")?.contains("gantry"));
    let resources = kubectl.run("api-resources")?;
    for kind in ["ConfigMap", "Deployment", "EndpointSlice", "ClusterRoleBinding", "Lease"] {
        assert!(resources.contains(kind), "{kind} is missing in:\n{resources}");
    }
    assert!(kubectl.run("api-versions")?.contains("apps/v1"));
    Ok(())
}

#[test]
fn the_default_namespaces_and_account_are_there() -> Result<()> {
    let kubectl = kubectl()?;
    let namespaces = kubectl.run("get namespaces -o name")?;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        assert!(namespaces.contains(&format!("namespace/{name}")), "{namespaces}");
    }
    kubectl.until("get serviceaccounts --all-namespaces", SOON, |out| out.matches("default").count() >= 4)?;
    assert!(kubectl.run("get service kubernetes -o wide")?.contains("10.96.0.1"));
    Ok(())
}

#[test]
fn explain_knows_fields_and_refuses_unknown_ones() -> Result<()> {
    let kubectl = kubectl()?;
    let explained = kubectl.run("explain deployment.spec.template.spec.containers")?;
    assert!(explained.contains("KIND:       Deployment") && explained.contains("image\t<string>"), "{explained}");
    assert!(kubectl.fails("explain deployment.spec.nonsense")?.contains("does not exist"));
    Ok(())
}

#[test]
fn objects_are_created_changed_shown_and_deleted() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace everyday")?;
    kubectl.run("-n everyday create configmap settings --from-literal=color=red")?;
    kubectl.run("-n everyday label configmap settings tier=one")?;
    kubectl.run("-n everyday annotate configmap settings note='a b'")?;
    kubectl.run("-n everyday patch configmap settings --type=merge -p '{\"data\":{\"size\":\"xl\"}}'")?;
    kubectl
        .run("-n everyday patch configmap settings --type=json -p '[{\"op\":\"remove\",\"path\":\"/data/color\"}]'")?;
    let settings = kubectl.json("-n everyday get configmap settings")?;
    assert_eq!(settings["data"], serde_json::json!({"size": "xl"}));
    assert_eq!(settings["metadata"]["labels"]["tier"], "one");
    assert!(kubectl.run("-n everyday get configmaps -l tier=one")?.contains("settings"));
    assert!(kubectl.run("-n everyday describe configmap settings")?.contains("xl"));
    let shown = kubectl.run("-n everyday get configmap settings -o yaml")?;
    let replaced = shown.replace("size: xl", "size: s");
    kubectl.with_input("replace -f -", &replaced)?;
    assert_eq!(kubectl.run("-n everyday get configmap settings -o jsonpath={.data.size}")?, "s");
    kubectl.run("-n everyday delete configmap settings")?;
    assert!(kubectl.fails("-n everyday get configmap settings")?.contains("NotFound"));
    Ok(())
}

#[test]
fn apply_creates_changes_and_shows_differences() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace applied")?;
    let manifest = |replicas: u32| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: applied}}\nspec:\n  replicas: {replicas}\n  \
             selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n      \
             - {{name: web, image: 'gantry.local/web:1'}}\n"
        )
    };
    assert!(kubectl.with_input("apply -f -", &manifest(0))?.contains("created"));
    assert!(kubectl.with_input("apply -f -", &manifest(0))?.contains("unchanged"));
    let diff = kubectl.output_with_input("diff -f -", &manifest(2))?;
    assert_eq!(diff.code, 1, "differences are exit code 1: {}", diff.stderr);
    assert!(diff.stdout.contains("+  replicas: 2"), "{}", diff.stdout);
    assert!(kubectl.with_input("apply -f -", &manifest(2))?.contains("configured"));
    kubectl.run("-n applied scale deployment web --replicas=1")?;
    assert_eq!(kubectl.run("-n applied get deployment web -o jsonpath={.spec.replicas}")?, "1");
    assert!(kubectl.fails("-n applied create deployment web --image=x")?.contains("already exists"));
    Ok(())
}

#[test]
fn mistakes_are_named_with_their_field() -> Result<()> {
    let kubectl = kubectl()?;
    let unknown = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatum: {}\n";
    assert!(kubectl.with_input("create -f -", unknown).unwrap_err().to_string().contains("unknown field \"datum\""));
    let bad_name = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n";
    assert!(kubectl.with_input("create -f -", bad_name).unwrap_err().to_string().contains("metadata.name"));
    let no_kind = "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n";
    assert!(kubectl.with_input("create -f -", no_kind).is_err());
    assert!(kubectl.fails("get nonsense")?.contains("doesn't have a resource type"));
    Ok(())
}

#[test]
fn rights_are_checked_and_explained() -> Result<()> {
    let kubectl = kubectl()?;
    assert_eq!(kubectl.run("auth can-i '*' '*'")?.trim(), "yes");
    kubectl.run("create namespace rights")?;
    kubectl.run("-n rights create serviceaccount reader")?;
    kubectl.run("-n rights create role reader --verb=get,list --resource=configmaps")?;
    kubectl.run("-n rights create rolebinding reader --role=reader --serviceaccount=rights:reader")?;
    let as_reader = "--as=system:serviceaccount:rights:reader -n rights";
    kubectl.until(&format!("{as_reader} get configmaps -o name"), SOON, |_| true)?;
    let refused = kubectl.fails(&format!("{as_reader} get secrets"))?;
    assert!(refused.contains("Forbidden") && refused.contains("system:serviceaccount:rights:reader"), "{refused}");
    assert!(kubectl.run("-n rights create token reader")?.starts_with("ey"));
    Ok(())
}

#[test]
fn a_namespace_takes_its_objects_with_it() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace leaving")?;
    kubectl.run("-n leaving create configmap a")?;
    kubectl.run("delete namespace leaving --timeout=30s")?;
    assert!(kubectl.fails("get namespace leaving")?.contains("NotFound"));
    kubectl.run("create namespace leaving")?;
    assert!(kubectl.fails("-n leaving get configmap a")?.contains("NotFound"));
    Ok(())
}

#[test]
fn a_deployment_makes_replicasets_and_pods_and_remembers_revisions() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace workloads")?;
    kubectl.run("-n workloads create deployment web --image=gantry.local/web:1 --replicas=2")?;
    kubectl.until("-n workloads get pods -l app=web -o name", SOON, |out| out.lines().count() == 2)?;
    kubectl.run("-n workloads set image deployment/web web=gantry.local/web:2")?;
    kubectl.until("-n workloads get replicasets -o name", SOON, |out| out.lines().count() == 2)?;
    let history = kubectl.until("-n workloads rollout history deployment/web", SOON, |out| out.contains("\n2 "))?;
    assert!(history.contains("\n1 "), "{history}");
    kubectl.run("-n workloads rollout undo deployment/web")?;
    let image = "-n workloads get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.run(image)?, "gantry.local/web:1");
    kubectl.run("-n workloads delete deployment web")?;
    kubectl.until("-n workloads get replicasets,pods -o name", SOON, str::is_empty)?;
    Ok(())
}

#[test]
fn a_replication_controller_makes_pods_and_is_scaled_and_deleted_with_them() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace replicated")?;
    let manifest = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web, namespace: replicated}\nspec:\n  replicas: 1\n  \
                    template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: 'gantry.local/web:1'}]}\n";
    kubectl.with_input("create -f -", manifest)?;
    kubectl.until("-n replicated get pods -l app=web -o name", SOON, |out| out.lines().count() == 1)?;
    kubectl.run("-n replicated scale rc web --replicas=3")?;
    kubectl.until("-n replicated get rc web -o jsonpath={.status.replicas}", SOON, |out| out == "3")?;
    kubectl.until("-n replicated describe rc web", SOON, |out| out.contains("SuccessfulCreate"))?;
    kubectl.run("-n replicated delete rc web")?;
    kubectl.until("-n replicated get pods -o name", SOON, str::is_empty)?;
    Ok(())
}

#[test]
fn services_get_addresses_ports_and_slices() -> Result<()> {
    let kubectl = kubectl()?;
    kubectl.run("create namespace services")?;
    kubectl.run("-n services create service clusterip a --tcp=80:8080")?;
    kubectl.run("-n services create service nodeport b --tcp=80:8080")?;
    kubectl.run("-n services create service externalname c --external-name=example.com")?;
    let a = kubectl.json("-n services get service a")?;
    assert!(a["spec"]["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.96.")), "{a}");
    let port = kubectl.json("-n services get service b")?["spec"]["ports"][0]["nodePort"].as_u64().unwrap_or_default();
    assert!((30000..=32767).contains(&port), "{port}");
    kubectl.until("-n services get endpointslices -o name", SOON, |out| out.lines().count() == 2)?;
    Ok(())
}
