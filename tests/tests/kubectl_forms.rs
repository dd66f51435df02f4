//! What kubectl shows in its many forms, what it reads and writes below an object, and how it lets the server check.

use anyhow::{Result, ensure};
use gantry_tests::{Cluster, Kubectl};
use serde_json::{Value, json};

/// A namespace of its own on a control plane that all tests of this file share.
fn kubectl(namespace: &str) -> Result<Kubectl> {
    Kubectl::new(&Cluster::shared_control_plane()?).with_namespace(namespace)
}

fn deployment(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  paused: true\n  {spec}\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: main, image: 'a:1'}}, {{name: side, image: 'b:1'}}]}}}}\n"
    )
}

#[test]
fn an_object_is_shown_in_every_form() -> Result<()> {
    let kubectl = kubectl("forms")?;
    kubectl.with_input("create -f -", &deployment("replicas: 0"))?;
    let shown = |form: &str| kubectl.run(&format!("get deployment web -o {form}"));
    assert_eq!(shown("name")?.trim(), "deployment.apps/web");
    assert!(shown("yaml")?.contains("  replicas: 0\n"));
    assert!(shown("wide")?.contains("main,side") && shown("wide")?.contains("a:1,b:1"));
    let images: Value = serde_json::from_str(&shown("jsonpath-as-json='{.spec.template.spec.containers[*].image}'")?)?;
    assert_eq!(images, json!(["a:1", "b:1"]));
    let named = "jsonpath='{range .spec.template.spec.containers[?(@.name==\"side\")]}{.image}{end}'";
    assert_eq!(shown(named)?, "b:1");
    assert_eq!(shown("go-template='{{range .spec.template.spec.containers}}{{.name}};{{end}}'")?, "main;side;");
    let columns = shown("custom-columns=NAME:.metadata.name,NONE:.spec.none --no-headers")?;
    assert_eq!(columns.split_whitespace().collect::<Vec<_>>(), ["web", "<none>"]);
    let with_labels = kubectl.run("get deployment web --show-labels --show-kind --no-headers")?;
    assert!(with_labels.starts_with("deployment.apps/web") && with_labels.contains("<none>"), "{with_labels}");
    Ok(())
}

#[test]
fn parts_below_an_object_are_read_and_written_by_themselves() -> Result<()> {
    let kubectl = kubectl("below")?;
    kubectl.with_input("create -f -", &deployment("replicas: 0"))?;
    let scale = kubectl.json("get deployment web --subresource=scale")?;
    assert_eq!((&scale["kind"], &scale["status"]["selector"]), (&json!("Scale"), &json!("app=web")));
    kubectl.run("scale deployment web --replicas=1 --current-replicas=0")?;
    assert!(
        kubectl.fails("scale deployment web --replicas=2 --current-replicas=0")?.contains("Expected replicas to be 0")
    );
    kubectl.run("create ingress door --rule=a.example/*=web:80")?;
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"hostname": "door.example"}]}}});
    kubectl.run(&format!("patch ingress door --subresource=status --type=merge -p '{status}'"))?;
    let row = kubectl.run("get ingress door --no-headers")?;
    assert!(row.contains("a.example") && row.contains("192.0.2.7,door.example"), "{row}");
    assert!(kubectl.run("describe ingress door")?.contains("192.0.2.7,door.example"));
    Ok(())
}

#[test]
fn the_server_checks_names_of_fields_as_strictly_as_asked() -> Result<()> {
    let kubectl = kubectl("checked")?;
    let typo = deployment("replicas: 0\n  replikas: 3");
    let send = |line: &str| kubectl.output_with_input(&format!("create --dry-run=server -f - {line}"), &typo);
    let strict = send("--validate=strict")?;
    ensure!(strict.code != 0 && strict.stderr.contains("unknown field \"spec.replikas\""), "{}", strict.stderr);
    let warned = send("--validate=warn")?;
    ensure!(warned.code == 0 && warned.stderr.contains("unknown field \"spec.replikas\""), "{}", warned.stderr);
    let ignored = send("--validate=ignore")?;
    ensure!(ignored.code == 0 && ignored.stderr.is_empty(), "{}", ignored.stderr);
    Ok(())
}

#[test]
fn a_debugger_joins_a_pod_or_a_copy_of_it() -> Result<()> {
    let kubectl = kubectl("debugged")?;
    kubectl.run("run bug --image=a:1 --overrides='{\"spec\":{\"schedulerName\":\"nobody\"}}'")?;
    kubectl.run("debug bug --image=tools:1 -c first --target=bug --profile=general -- sleep 1")?;
    let joined = kubectl.json("get pod bug")?["spec"]["ephemeralContainers"][0].clone();
    assert_eq!((&joined["name"], &joined["targetContainerName"]), (&json!("first"), &json!("bug")));
    kubectl.run("debug bug --image=tools:1 -c second --copy-to=copy --share-processes -- sleep 1")?;
    let spec = kubectl.json("get pod copy")?["spec"].clone();
    assert_eq!(spec["shareProcessNamespace"], true);
    assert_eq!(spec["volumes"].as_array().map(Vec::len), Some(1), "the copy brings its token's volume: {spec}");
    let mounts = spec["containers"].as_array().into_iter().flatten().map(|c| &c["volumeMounts"][0]["name"]);
    assert!(mounts.clone().count() == 2 && mounts.clone().all(|name| *name == spec["volumes"][0]["name"]), "{spec}");
    Ok(())
}
