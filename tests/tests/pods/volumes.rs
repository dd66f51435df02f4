//! Volumes and environment of running pods.

use anyhow::Result;

use crate::{SOON, STAYS, kubectl, pod};

#[test]
fn changes_of_configmaps_secrets_and_labels_reach_running_pods() -> Result<()> {
    let kubectl = kubectl("follows")?;
    kubectl.run("create configmap settings --from-literal=color=red")?;
    kubectl.run("create secret generic keys --from-literal=key=old")?;
    let mounts = "env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}]\n\
        volumeMounts: [{name: all, mountPath: /all}, {name: keys, mountPath: /keys}]";
    let mut manifest = pod("p", STAYS, mounts);
    manifest.push_str(
        "  volumes:\n  - {name: keys, secret: {secretName: keys, defaultMode: 0400}}\n  - name: all\n    projected:\n      sources:\n      \
         - configMap: {name: settings}\n      - serviceAccountToken: {path: token, expirationSeconds: 600}\n      \
         - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}\n",
    );
    kubectl.with_input("apply -f -", &manifest)?;
    kubectl.run("wait --for=condition=Ready pod/p --timeout=60s")?;
    let shown = kubectl.run("exec p -- sh -c 'cat /all/color /keys/key /all/labels; echo $NODE $COLOR'")?;
    let node = kubectl.run("get pod p -o jsonpath={.spec.nodeName}")?;
    assert_eq!(shown, format!("redoldapp=\"p\"{node} red\n"));
    assert!(kubectl.run("exec p -- cat /all/token")?.starts_with("ey"));
    assert!(kubectl.run("exec p -- ls -lL /keys/key")?.starts_with("-r--------"));
    kubectl.run("patch configmap settings -p '{\"data\":{\"color\":\"green\"}}'")?;
    kubectl.run("patch secret keys -p '{\"stringData\":{\"key\":\"new\"}}'")?;
    kubectl.run("label pod p app=q --overwrite")?;
    let line = "exec p -- sh -c 'cat /all/color /keys/key /all/labels'";
    kubectl.until(line, SOON, |shown| shown == "greennewapp=\"q\"")?;
    Ok(())
}

#[test]
fn a_pod_waits_for_what_it_refers_to() -> Result<()> {
    let kubectl = kubectl("missing")?;
    let mut manifest = pod("p", STAYS, "envFrom: [{configMapRef: {name: settings}}]");
    kubectl.with_input("apply -f -", &manifest)?;
    manifest = pod("q", STAYS, "volumeMounts: [{name: v, mountPath: /v}]");
    manifest.push_str("  volumes: [{name: v, secret: {secretName: keys}}]\n");
    kubectl.with_input("apply -f -", &manifest)?;
    let waiting = "get pod p -o jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    kubectl.until(waiting, SOON, |reason| reason == "CreateContainerConfigError")?;
    let told = |events: &str| events.contains("FailedMount") && events.contains("secret \"keys\" not found");
    kubectl.until("events --for pod/q", SOON, told)?;
    kubectl.run("create configmap settings --from-literal=a=b")?;
    kubectl.run("create secret generic keys --from-literal=key=x")?;
    kubectl.run("wait --for=condition=Ready pod/p pod/q --timeout=60s")?;
    Ok(())
}
