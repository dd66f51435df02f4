//! The breadth of kubectl: its generators, its imperative commands and its ways of asking, each as users type them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gantry_tests::{Cluster, Kubectl};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// A namespace of its own on a control plane that all tests of this file share.
fn kubectl(namespace: &str) -> Result<Kubectl> {
    Kubectl::new(&Cluster::shared_control_plane()?).with_namespace(namespace)
}

/// Runs lines that must succeed; each says what it printed must hold.
fn all_say(kubectl: &Kubectl, lines: &[(&str, &str)]) -> Result<()> {
    for (line, said) in lines {
        let out = kubectl.run(line)?;
        ensure!(out.contains(said), "kubectl {line}: {out:?} does not say {said:?}");
    }
    Ok(())
}

/// Runs lines that must fail; each says what the error must hold.
fn all_refuse(kubectl: &Kubectl, lines: &[(&str, &str)]) -> Result<()> {
    for (line, said) in lines {
        let error = kubectl.fails(line)?;
        ensure!(error.contains(said), "kubectl {line}: {error:?} does not say {said:?}");
    }
    Ok(())
}

#[test]
fn every_generator_makes_what_it_says() -> Result<()> {
    let kubectl = kubectl("generated")?;
    all_say(
        &kubectl,
        &[
            ("create secret generic s --from-literal=word=x", "secret/s created"),
            (
                "create secret docker-registry r --docker-server=r --docker-username=u --docker-password=p",
                "secret/r created",
            ),
            ("create deployment web --image=i --replicas=0 --port=80", "deployment.apps/web created"),
            ("create cronjob c --image=i --schedule='*/5 * * * *' -- date", "cronjob.batch/c created"),
            ("create job j --from=cronjob/c", "job.batch/j created"),
            ("create quota q --hard=pods=3,requests.cpu=1", "resourcequota/q created"),
            ("create pdb b --selector=app=web --min-available=50%", "poddisruptionbudget.policy/b created"),
            ("create ingress i --rule=a.example/x=web:80,tls=t --class=c", "ingress.networking.k8s.io/i created"),
            ("create service loadbalancer l --tcp=80:8080", "service/l created"),
            (
                "create priorityclass generated --value=10 --description=x",
                "priorityclass.scheduling.k8s.io/generated created",
            ),
            (
                "create clusterrole generated --verb=get --resource=nodes",
                "clusterrole.rbac.authorization.k8s.io/generated created",
            ),
            (
                "create clusterrolebinding generated --clusterrole=generated --group=g",
                "clusterrolebinding.rbac.authorization.k8s.io/generated created",
            ),
            ("run once --image=i --restart=Never --labels=a=b --env=X=y -- sleep 1", "pod/once created"),
            ("expose deployment web --port=80 --target-port=8080", "service/web exposed"),
            (
                "autoscale deployment web --min=2 --max=5 --cpu-percent=80",
                "horizontalpodautoscaler.autoscaling/web autoscaled",
            ),
        ],
    )?;
    all_refuse(
        &kubectl,
        &[
            ("create cronjob bad --image=i --schedule=nonsense -- date", "spec.schedule: Invalid value: \"nonsense\""),
            ("create quota bad --hard=pods=1 --scopes=Nonsense", "spec.scopes: Invalid value: [\"Nonsense\"]"),
            ("create priorityclass bad --value=2000000000", "value: Forbidden:"),
            ("create service nodeport bad --tcp=80 --node-port=99", "spec.ports[0].nodePort: Invalid value: 99"),
            ("create token default --duration=5m", "spec.expirationSeconds: Invalid value: 300"),
            ("run Bad_Name --image=i", "metadata.name: Invalid value: \"Bad_Name\""),
        ],
    )?;
    let autoscaler = kubectl.json("get horizontalpodautoscalers.v1.autoscaling web")?;
    assert_eq!(autoscaler["spec"]["targetCPUUtilizationPercentage"], 80);
    kubectl.run("delete priorityclass,clusterrole,clusterrolebinding generated")?;
    Ok(())
}

#[test]
fn parts_are_set_and_rollouts_paused_resumed_and_restarted() -> Result<()> {
    let kubectl = kubectl("setters")?;
    kubectl.run("create deployment web --image=a:1 --replicas=0")?;
    kubectl.run("create service clusterip web --tcp=80")?;
    kubectl.run("create configmap settings --from-literal=color=blue")?;
    kubectl.run("create rolebinding readers --clusterrole=view --user=ann")?;
    all_say(
        &kubectl,
        &[
            ("set image deployment/web a=a:2", "image updated"),
            ("set env deployment/web A=b", "env updated"),
            ("set env deployment/web --from=configmap/settings --prefix=P_", "env updated"),
            ("set resources deployment web --limits=cpu=200m --requests=cpu=100m", "resource requirements updated"),
            ("set selector service web a=b", "selector updated"),
            ("set serviceaccount deployment web default", "serviceaccount updated"),
            ("set subject rolebinding readers --user=bob", "subjects updated"),
            ("rollout pause deployment/web", "paused"),
            ("rollout resume deployment/web", "resumed"),
            ("rollout restart deployment/web", "restarted"),
            ("label configmap settings tier=one", "labeled"),
            ("label configmap settings tier-", "unlabeled"),
            ("annotate configmap settings note='x y'", "annotated"),
            ("scale deployment web --current-replicas=0 --replicas=0", "scaled"),
        ],
    )?;
    all_refuse(
        &kubectl,
        &[
            ("scale deployment web --current-replicas=5 --replicas=1", "Expected replicas to be 5, was 0"),
            ("label configmap settings 'bad key=x'", "metadata.labels: Invalid value"),
            ("annotate configmap settings n=x --resource-version=1", "the object has been modified"),
        ],
    )?;
    let container = kubectl.json("get deployment web")?["spec"]["template"]["spec"]["containers"][0].clone();
    let from_map = json!({"name": "P_COLOR", "valueFrom": {"configMapKeyRef": {"key": "color", "name": "settings"}}});
    assert_eq!((&container["image"], &container["env"][1]), (&json!("a:2"), &from_map));
    kubectl.until("rollout history deployment/web --revision=2", SOON, |out| out.contains("a:2"))?;
    kubectl.until("rollout status deployment/web", SOON, |out| out.contains("successfully rolled out"))?;
    Ok(())
}

#[test]
fn nodes_are_tainted_cordoned_and_drained() -> Result<()> {
    let kubectl = kubectl("nodes")?;
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: paper, labels: {node-role.kubernetes.io/worker: ''}}\n";
    kubectl.with_input("create -f -", node)?;
    all_say(
        &kubectl,
        &[
            ("get node paper", "worker"),
            ("taint node paper k=v:NoSchedule", "tainted"),
            ("taint node paper k=w:NoSchedule --overwrite", "modified"),
            ("taint node paper k:NoSchedule-", "untainted"),
            ("cordon paper", "cordoned"),
            ("cordon paper", "already cordoned"),
            ("drain paper --ignore-daemonsets", "drained"),
            ("uncordon paper", "uncordoned"),
            ("describe node paper", "Unschedulable:      false"),
        ],
    )?;
    all_refuse(
        &kubectl,
        &[("taint node paper k=v:Nonsense", "invalid taint effect"), ("top node paper", "Metrics API not available")],
    )?;
    all_say(&kubectl, &[("delete node paper", "deleted")])
}

#[test]
fn pods_leave_a_node_whose_taint_they_do_not_tolerate_and_are_told_why() -> Result<()> {
    let kubectl = kubectl("leaving-node")?;
    kubectl.with_input("create -f -", "apiVersion: v1\nkind: Node\nmetadata: {name: leaving}\n")?;
    let pod = |name: &str, tolerations: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{nodeName: leaving, containers: [{{name: c, image: i}}], \
             tolerations: [{tolerations}]}}\n"
        )
    };
    let stays = pod("stays", "{key: out, operator: Exists}");
    kubectl.with_input(
        "create -f -",
        &[pod("goes", ""), pod("soon", "{key: out, operator: Exists, effect: NoExecute, tolerationSeconds: 1}"), stays]
            .concat(),
    )?;
    kubectl.run("taint node leaving out=now:NoExecute")?;
    for name in ["goes", "soon"] {
        let deleted = format!("get pod {name} -o jsonpath={{.metadata.deletionTimestamp}}");
        kubectl.until(&deleted, SOON, |out| !out.is_empty())?;
        let reasons = kubectl.run(&format!("get pod {name} -o jsonpath={{.status.conditions[*].reason}}"))?;
        assert!(reasons.contains("DeletionByTaintManager"), "{reasons}");
    }
    kubectl.until("get events", SOON, |out| out.matches("TaintManagerEviction").count() == 2)?;
    assert_eq!(kubectl.run("get pod stays -o jsonpath={.metadata.deletionTimestamp}")?, "");
    all_say(&kubectl, &[("delete pods --all --force --grace-period=0", "deleted"), ("delete node leaving", "deleted")])
}

#[test]
fn signing_requests_are_approved_and_denied() -> Result<()> {
    let kubectl = kubectl("certificates")?;
    let request = std::process::Command::new("openssl")
        .args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=ann"])
        .output()
        .context("cannot run openssl")?;
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &request.stdout);
    for name in ["yes", "no"] {
        let spec = json!({"request": encoded, "signerName": "example.com/tests", "usages": ["client auth"]});
        let object = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec});
        kubectl.with_input("create -f -", &object.to_string())?;
    }
    all_say(
        &kubectl,
        &[
            ("get csr yes", "Pending"),
            ("certificate approve yes", "approved"),
            ("certificate deny no", "denied"),
            ("get csr yes", "Approved"),
            ("describe csr no", "Denied"),
            ("delete csr yes no", "deleted"),
        ],
    )
}

#[test]
fn rights_are_listed_reconciled_and_asked_about() -> Result<()> {
    let kubectl = kubectl("rights-asked")?;
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: rights-asked}\nrules: [{apiGroups: [''], resources: [RESOURCE], verbs: [get]}]\n";
    kubectl.with_input("auth reconcile -f -", &role.replace("RESOURCE", "pods"))?;
    kubectl.with_input("auth reconcile -f -", &role.replace("RESOURCE", "secrets"))?;
    let rules = kubectl.json("get role r")?["rules"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(2), "what was there stays: {rules}");
    kubectl.run("create rolebinding r --role=r --user=ann")?;
    kubectl.until("auth can-i --list --as=ann", SOON, |out| out.contains("secrets"))?;
    all_say(&kubectl, &[("auth can-i get secrets --as=ann", "yes"), ("auth whoami --as=ann --as-group=devs", "devs")])?;
    let refused = kubectl.output("auth can-i delete secrets --as=ann")?;
    assert_eq!((refused.code, refused.stdout.trim()), (1, "no"));
    Ok(())
}

#[test]
fn objects_are_replaced_by_force_and_by_their_raw_paths() -> Result<()> {
    let kubectl = kubectl("replaced")?;
    let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{{data}}}\n");
    kubectl.with_input("create -f -", &map("a: b"))?;
    let uid = |kubectl: &Kubectl| Ok::<_, anyhow::Error>(kubectl.json("get configmap m")?["metadata"]["uid"].clone());
    let before = uid(&kubectl)?;
    assert!(kubectl.with_input("replace --force -f -", &map("c: d"))?.contains("replaced"));
    assert_ne!(uid(&kubectl)?, before, "it was deleted and made anew");
    let path = "/api/v1/namespaces/replaced/configmaps";
    kubectl.with_input(&format!("create --raw {path} -f -"), r#"{"metadata":{"name":"raw"}}"#)?;
    kubectl.with_input(&format!("replace --raw {path}/raw -f -"), r#"{"metadata":{"name":"raw"},"data":{"x":"y"}}"#)?;
    let raw: Value = serde_json::from_str(&kubectl.run(&format!("get --raw {path}/raw"))?)?;
    assert_eq!(raw["data"], json!({"x": "y"}));
    assert!(kubectl.run(&format!("delete --raw {path}/raw"))?.contains("\"status\":\"Success\""));
    all_refuse(&kubectl, &[("get --raw /nosuch", "NotFound"), ("get --raw /apis/apps/v2", "NotFound")])?;
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-}}\n\
                - {apiVersion: v1, kind: Secret, metadata: {name: s}}\n";
    assert!(kubectl.with_input("create -f -", list)?.contains("secret/s created"));
    for (how, code, said) in
        [("strict", 1, "unknown field \"datum\""), ("warn", 0, "unknown field \"datum\""), ("ignore", 0, "")]
    {
        let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: v-}\ndatum: {}\n";
        let output = kubectl.output_with_input(&format!("create --validate={how} -f -"), body)?;
        assert_eq!((output.code, output.stderr.contains(said)), (code, true), "{how}: {}", output.stderr);
    }
    Ok(())
}

#[test]
fn lists_come_in_chunks_by_selectors_and_as_they_change() -> Result<()> {
    let kubectl = kubectl("asked")?;
    for n in 0..5 {
        kubectl.run(&format!("create configmap m{n} --from-literal=n={n}"))?;
        kubectl.run(&format!("label configmap m{n} parity={}", ["even", "odd"][n % 2]))?;
    }
    let names =
        |line: &str| Ok::<_, anyhow::Error>(kubectl.run(line)?.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(names("get configmaps -l parity --chunk-size=2 -o name")?.matches("configmap/m").count(), 5);
    assert_eq!(
        names("get configmaps -l 'parity notin (even)' -o name")?,
        "configmap/kube-root-ca.crt configmap/m1 configmap/m3"
    );
    assert_eq!(
        names("get configmaps -l parity --field-selector metadata.name!=m0,metadata.name!=m2 -o name")?,
        "configmap/m1 configmap/m3 configmap/m4"
    );
    assert_eq!(
        names("get configmaps -l parity -L parity --no-headers --sort-by=.metadata.name -o custom-columns=N:.data.n")?,
        "0 1 2 3 4"
    );
    assert_eq!(kubectl.run("get configmap m1 -o jsonpath='{.data.n}{.metadata.nosuch}'")?, "1");
    all_refuse(
        &kubectl,
        &[("get configmaps --field-selector data.n=1", "data.n"), ("get configmaps m1 nosuch", "\"nosuch\" not found")],
    )?;
    let mut watching = kubectl.command("get configmap m0 --watch-only -o jsonpath={.data.n}@ --request-timeout=20s");
    let mut watching = watching.stdout(std::process::Stdio::piped()).spawn()?;
    let out = watching.stdout.take().context("no output")?;
    let mut next = 1;
    let mut read = std::io::BufReader::new(out);
    // A watch that has not begun sees a later change.
    let (done, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut word = Vec::new();
        let read = std::io::BufRead::read_until(&mut read, b'@', &mut word);
        // Nobody listens once the test has failed.
        done.send(read.map(|_| String::from_utf8_lossy(&word).into_owned())).ok();
    });
    let word = gantry_tests::until("a change arrives", SOON, || {
        kubectl.run(&format!("patch configmap m0 --type=merge -p '{{\"data\":{{\"n\":\"new{next}\"}}}}'"))?;
        next += 1;
        Ok(seen.try_recv().ok())
    })??;
    assert!(word.starts_with("new"), "{word}");
    watching.kill()?;
    watching.wait()?;
    reader.join().map_err(|_| anyhow::anyhow!("the reader failed"))?;
    Ok(())
}

#[test]
fn every_kind_can_be_listed_and_described() -> Result<()> {
    let kubectl = Kubectl::new(&Cluster::shared_control_plane()?);
    let kinds = kubectl.run("api-resources --verbs=list -o name")?;
    let kinds: Vec<&str> = kinds.split_whitespace().collect();
    assert!(kinds.len() > 55, "{kinds:?}");
    let all = kinds.join(",");
    kubectl.until("get flowschema probes", SOON, |out| out.trim_end().ends_with("False"))?;
    let wide = kubectl.run(&format!("get {all} --all-namespaces -o wide"))?;
    assert!(wide.contains("flowschema.flowcontrol.apiserver.k8s.io/exempt"), "{wide}");
    // For these kubectl 1.32 asks for versions that there are no more.
    let beta = ["servicecidrs", "ipaddresses", "volumeattributesclasses"];
    let described: Vec<&str> =
        kinds.into_iter().filter(|kind| !beta.iter().any(|plural| kind.starts_with(plural))).collect();
    let line = format!("describe {} --all-namespaces", described.join(","));
    // It fails over what another test deletes between its list and its turn.
    let described = gantry_tests::until("every kind is described", 3 * SOON, || Ok(kubectl.run(&line).ok()))?;
    for said in ["PolicyRule:", "Matching Precedence:", "PreemptionPolicy", "kube-root-ca.crt"] {
        assert!(described.contains(said), "{said} is not said");
    }
    for kind in
        ["networkpolicies.spec.ingress", "hpa.spec.metrics", "crd.spec.versions", "resourceclaims.status", "pods.spec"]
    {
        let explained = kubectl.run(&format!("explain {kind} --recursive"))?;
        assert!(explained.contains("FIELDS:"), "{explained}");
    }
    Ok(())
}

#[test]
fn events_are_told_by_object_and_type() -> Result<()> {
    let kubectl = kubectl("told")?;
    kubectl.run("run waits --image=i")?;
    kubectl.until("events --for pod/waits --types=Warning", SOON, |out| out.contains("FailedScheduling"))?;
    kubectl.until("describe pod waits", SOON, |out| out.contains("FailedScheduling"))?;
    let other = kubectl.output("events --for pod/other")?;
    assert!(other.stderr.contains("No events found"), "{other:?}");
    kubectl.until("get events --field-selector involvedObject.name=waits,type=Warning", SOON, |out| {
        out.contains("pod/waits")
    })?;
    all_refuse(
        &kubectl,
        &[
            ("logs nosuch", "pods \"nosuch\" not found"),
            ("exec waits -- ls", "does not have a host assigned"),
            ("port-forward pod/waits 1:80", "pod is not running"),
        ],
    )
}
