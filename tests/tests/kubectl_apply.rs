//! kubectl apply in both ways, and what kubectl shows of what it applied.

use std::time::Duration;

use anyhow::Result;
use gantry_tests::{Cluster, Kubectl};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// A namespace of its own on a control plane that all tests of this file share.
fn kubectl(namespace: &str) -> Result<Kubectl> {
    Kubectl::new(&Cluster::shared_control_plane()?).with_namespace(namespace)
}

fn deployment(spec: &str, container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  {spec}\n  selector: {{matchLabels: {{app: web}}}}\n  \
         template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: web, {container}}}]}}\n"
    )
}

/// Managers of an object, each with what it did and where.
fn managers(object: &Value) -> Vec<(String, String)> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    entries.iter().map(|entry| (text(entry, "manager"), text(entry, "operation"))).collect()
}

#[test]
fn two_appliers_share_an_object_until_they_want_the_same_field() -> Result<()> {
    let kubectl = kubectl("shared")?;
    let apply = |manager: &str, more: &str, manifest: &str| {
        kubectl.with_input(&format!("apply --server-side --field-manager={manager} {more} -f -"), manifest)
    };
    assert!(apply("owner", "", &deployment("replicas: 0", "image: 'a:1'"))?.contains("serverside-applied"));
    let other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {team: blue}}\n";
    apply("labels", "", other)?;
    let refused = apply("scaler", "", &deployment("replicas: 3", "image: 'a:1'")).unwrap_err().to_string();
    assert!(refused.contains("conflict with \"owner\"") && refused.contains(".spec.replicas"), "{refused}");
    apply("scaler", "--force-conflicts", &deployment("replicas: 3", "image: 'a:1'"))?;
    let object = kubectl.json("get deployment web --show-managed-fields")?;
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["labels"]), (&json!(3), &json!({"team": "blue"})));
    let owner = object["metadata"]["managedFields"].as_array().into_iter().flatten().find(|e| e["manager"] == "owner");
    let fields = owner.map(|entry| entry["fieldsV1"]["f:spec"].clone()).unwrap_or_default();
    assert!(fields.get("f:replicas").is_none() && fields.get("f:template").is_some(), "{fields}");
    // What an applier no longer says goes, unless somebody else says it too.
    apply("labels", "", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")?;
    assert_eq!(kubectl.json("get deployment web")?["metadata"].get("labels"), None);
    Ok(())
}

#[test]
fn what_was_applied_by_the_client_can_go_on_by_the_server() -> Result<()> {
    let kubectl = kubectl("migrated")?;
    let with_env = "image: 'a:1', env: [{name: KEPT, value: one}, {name: DROPPED, value: two}]";
    kubectl.with_input("apply -f -", &deployment("replicas: 0", with_env))?;
    let without = "image: 'a:2', env: [{name: KEPT, value: one}]";
    kubectl.with_input("apply --server-side -f -", &deployment("replicas: 0", without))?;
    let object = kubectl.json("get deployment web --show-managed-fields")?;
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{"name": "KEPT", "value": "one"}]), "what is no longer applied is gone");
    assert_eq!(container["image"], "a:2");
    let all = managers(&object);
    assert!(all.contains(&("kubectl".into(), "Apply".into())), "{all:?}");
    assert!(!all.iter().any(|(manager, _)| manager == "kubectl-client-side-apply"), "{all:?}");
    Ok(())
}

#[test]
fn a_difference_is_shown_before_it_is_applied_by_the_server() -> Result<()> {
    let kubectl = kubectl("differing")?;
    kubectl.with_input("apply --server-side -f -", &deployment("replicas: 0", "image: 'a:1'"))?;
    let changed = deployment("replicas: 0", "image: 'a:2'");
    let output = kubectl.output_with_input("diff --server-side -f -", &changed)?;
    assert_eq!(output.code, 1, "differences are exit code 1: {}", output.stderr);
    assert!(
        output.stdout.contains("-      - image: a:1") && output.stdout.contains("+      - image: a:2"),
        "{}",
        output.stdout
    );
    assert_eq!(kubectl.run("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}")?, "a:1");
    Ok(())
}

#[test]
fn a_set_of_objects_loses_what_is_no_longer_in_it() -> Result<()> {
    let kubectl = kubectl("pruned")?;
    let map = |name: &str| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: one}}}}\n")
    };
    kubectl.with_input("apply -l set=one -f -", &[map("a"), map("b")].concat())?;
    let prune = "apply --prune -l set=one --prune-allowlist=core/v1/ConfigMap -f -";
    assert!(kubectl.with_input(prune, &map("a"))?.contains("configmap/b pruned"));
    assert_eq!(kubectl.run("get configmaps -l set=one -o name")?.trim(), "configmap/a");
    Ok(())
}

#[test]
fn containers_are_patched_by_name_and_lists_as_a_whole() -> Result<()> {
    let kubectl = kubectl("patched")?;
    kubectl.with_input("create -f -", &deployment("replicas: 0", "image: 'a:1', args: [one, two]"))?;
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "a:2"}]}}}});
    kubectl.run(&format!("patch deployment web -p '{strategic}'"))?;
    let container = || {
        Ok::<_, anyhow::Error>(kubectl.json("get deployment web")?["spec"]["template"]["spec"]["containers"][0].clone())
    };
    assert_eq!((&container()?["image"], &container()?["args"]), (&json!("a:2"), &json!(["one", "two"])));
    let merge = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "a:3"}]}}}});
    kubectl.run(&format!("patch deployment web --type=merge -p '{merge}'"))?;
    assert_eq!((&container()?["image"], container()?.get("args")), (&json!("a:3"), None));
    kubectl.run("set env deployment/web COLOR=blue")?;
    kubectl.run("set resources deployment web --limits=cpu=100m")?;
    assert_eq!(container()?["env"], json!([{"name": "COLOR", "value": "blue"}]));
    assert_eq!(container()?["resources"]["limits"]["cpu"], "100m");
    Ok(())
}

#[test]
fn lists_are_shown_sorted_in_columns_and_fields_as_asked() -> Result<()> {
    let kubectl = kubectl("shown")?;
    for (name, rank) in [("b", "2"), ("c", "1"), ("a", "3")] {
        kubectl.run(&format!("create configmap {name} --from-literal=rank={rank}"))?;
        kubectl.run(&format!("label configmap {name} own=yes"))?;
    }
    let sorted = kubectl.run("get configmaps -l own=yes --sort-by=.data.rank -o name")?;
    assert_eq!(sorted.split_whitespace().collect::<Vec<_>>(), ["configmap/c", "configmap/b", "configmap/a"]);
    let columns = kubectl.run("get configmaps -l own=yes -o custom-columns=NAME:.metadata.name,RANK:.data.rank")?;
    let rows: Vec<Vec<&str>> = columns.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["NAME", "RANK"], ["a", "3"], ["b", "2"], ["c", "1"]]);
    let template = "get configmap b -o go-template='{{.data.rank}}'";
    assert_eq!(kubectl.run(template)?, "2");
    assert!(kubectl.run("get configmaps --field-selector metadata.name=c -o wide")?.contains('c'));
    assert!(kubectl.run("get configmap b -o yaml")?.contains("rank: \"2\""));
    Ok(())
}

#[test]
fn conditions_fields_and_ends_can_be_waited_for() -> Result<()> {
    let kubectl = kubectl("waited")?;
    kubectl.with_input("create -f -", &deployment("replicas: 0", "image: 'a:1'"))?;
    kubectl.run("wait deployment web --for=condition=Available --timeout=20s")?;
    kubectl.run("wait deployment web --for=jsonpath={.status.observedGeneration}=1 --timeout=20s")?;
    kubectl.run("create configmap short")?;
    kubectl.run("delete configmap short --wait=false")?;
    kubectl.run("wait configmap short --for=delete --timeout=20s")?;
    assert!(kubectl.fails("wait deployment web --for=condition=Never --timeout=1s")?.contains("timed out"));
    kubectl.until("rollout status deployment web", SOON, |said| said.contains("successfully rolled out"))?;
    Ok(())
}

#[test]
fn an_editor_changes_the_live_object() -> Result<()> {
    let kubectl = kubectl("edited")?;
    kubectl.run("create configmap text --from-literal=word=old")?;
    let mut edit = kubectl.command("edit configmap text");
    let output = edit.env("KUBE_EDITOR", "sed -i 's/word: old/word: new/'").output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kubectl.run("get configmap text -o jsonpath={.data.word}")?, "new");
    Ok(())
}
