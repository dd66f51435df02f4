//! Lives of containers: probes, hooks, sidecars, restarts, images that are not there.

use anyhow::Result;

use crate::{BUSYBOX, SOON, STAYS, kubectl, pod};

#[test]
fn a_container_that_crashes_backs_off_and_says_why() -> Result<()> {
    let kubectl = kubectl("crash")?;
    kubectl.with_input("apply -f -", &pod("p", "echo sorry > /dev/termination-log; exit 7", ""))?;
    let waiting = "get pod p -o jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    kubectl.until(waiting, SOON, |reason| reason == "CrashLoopBackOff")?;
    let status = kubectl.json("get pod p")?["status"]["containerStatuses"][0].clone();
    let last = &status["lastState"]["terminated"];
    assert_eq!((last["exitCode"].as_i64(), last["message"].as_str()), (Some(7), Some("sorry\n")), "{status}");
    let backed_off = |events: &str| events.contains("Back-off restarting failed container main in pod p");
    kubectl.until("events --for pod/p", SOON, backed_off)?;
    Ok(())
}

#[test]
fn an_image_that_does_not_exist_is_reported_and_tried_again() -> Result<()> {
    let kubectl = kubectl("images")?;
    // Nothing listens there: the pull is refused at once.
    kubectl.run("run p --image=127.0.0.1:1/none:1")?;
    let waiting = "get pod p -o jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    kubectl.until(waiting, SOON, |reason| reason == "ImagePullBackOff")?;
    let told = |events: &str| {
        ["Pulling image", "Failed to pull image", "Error: ErrImagePull", "Back-off pulling image"]
            .iter()
            .all(|part| events.contains(part))
    };
    kubectl.until("events --for pod/p", SOON, told)?;
    kubectl.run("run q --image=UPPER/case")?;
    let waiting = "get pod q -o jsonpath={.status.containerStatuses[0].state.waiting.reason}";
    kubectl.until(waiting, SOON, |reason| reason == "InvalidImageName")?;
    Ok(())
}

#[test]
fn probes_of_every_kind_decide() -> Result<()> {
    let kubectl = kubectl("probes")?;
    let web = "mkdir /tmp/w; echo ok > /tmp/w/healthy; exec httpd -f -p 8080 -h /tmp/w";
    let probes = "startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 60}\n\
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}\n\
        livenessProbe: {exec: {command: [test, '!', -e, /tmp/sick]}, periodSeconds: 1, failureThreshold: 1}";
    kubectl.with_input("apply -f -", &pod("p", web, probes))?;
    let failed = |events: &str| events.contains("Readiness probe failed: HTTP probe failed with statuscode: 404");
    kubectl.until("events --for pod/p", SOON, failed)?;
    kubectl.run("exec p -- touch /tmp/w/ready")?;
    kubectl.run("wait --for=condition=Ready pod/p --timeout=60s")?;
    kubectl.run("exec p -- rm /tmp/w/ready")?;
    kubectl.run("wait --for=condition=Ready=false pod/p --timeout=60s")?;
    kubectl.run("exec p -- touch /tmp/sick")?;
    kubectl.until("get pod p -o jsonpath={.status.containerStatuses[0].restartCount}", SOON, |n| n == "1")?;
    kubectl.until("events --for pod/p", SOON, |events| events.contains("failed liveness probe, will be restarted"))?;
    Ok(())
}

#[test]
fn hooks_run_after_the_start_and_before_the_end() -> Result<()> {
    let kubectl = kubectl("hooks")?;
    let hooks = "lifecycle:\n  postStart: {exec: {command: [sh, -c, 'echo welcome > /proc/1/fd/1']}}\n  \
        preStop: {exec: {command: [sh, -c, 'echo farewell > /proc/1/fd/1']}}";
    kubectl.with_input("apply -f -", &pod("p", STAYS, hooks))?;
    kubectl.run("wait --for=condition=Ready pod/p --timeout=60s")?;
    let follow = kubectl.command("logs -f p").stdout(std::process::Stdio::piped()).spawn()?;
    kubectl.until("logs p", SOON, |log| log == "welcome\n")?;
    kubectl.run("delete pod p --timeout=60s")?;
    let shown = String::from_utf8_lossy(&follow.wait_with_output()?.stdout).into_owned();
    assert_eq!(shown, "welcome\nfarewell\n");
    Ok(())
}

#[test]
fn sidecars_start_before_and_end_after_the_containers_they_serve() -> Result<()> {
    let kubectl = kubectl("sidecars")?;
    let main = "until [ -e /shared/side ]; do sleep 0.1; done; echo main saw the sidecar";
    let side = "touch /shared/side; trap 'echo sidecar ends last; exit 0' TERM; while :; do sleep 0.1; done";
    let mounts = "volumeMounts: [{name: shared, mountPath: /shared}]";
    let mut manifest = pod("p", main, mounts);
    manifest.push_str(&format!(
        "  restartPolicy: Never\n  volumes: [{{name: shared, emptyDir: {{}}}}]\n  initContainers:\n  \
         - {{name: first, image: '{BUSYBOX}', command: [sh, -c, 'test ! -e /shared/side'], {mounts}}}\n  \
         - {{name: side, image: '{BUSYBOX}', restartPolicy: Always, command: [sh, -c, {side:?}], {mounts}}}\n"
    ));
    kubectl.with_input("apply -f -", &manifest)?;
    kubectl.run("wait --for=jsonpath={.status.phase}=Succeeded pod/p --timeout=60s")?;
    assert_eq!(kubectl.run("logs p -c main")?, "main saw the sidecar\n");
    assert_eq!(kubectl.run("logs p -c side")?, "sidecar ends last\n");
    let statuses = &kubectl.json("get pod p")?["status"]["initContainerStatuses"];
    assert_eq!(statuses[0]["state"]["terminated"]["reason"], "Completed", "{statuses}");
    Ok(())
}

#[test]
fn a_container_above_its_memory_limit_is_killed_and_named_so() -> Result<()> {
    let kubectl = kubectl("memory")?;
    let limits = "resources: {limits: {memory: 16Mi}}";
    let mut manifest = pod("p", "head -c 100m /dev/zero | tail -c 90m > /dev/null", limits);
    manifest.push_str("  restartPolicy: Never\n");
    kubectl.with_input("apply -f -", &manifest)?;
    kubectl.run("wait --for=jsonpath={.status.phase}=Failed pod/p --timeout=60s")?;
    let state = &kubectl.json("get pod p")?["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(state["reason"], "OOMKilled", "{state}");
    Ok(())
}
