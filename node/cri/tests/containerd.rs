//! CRI against a real containerd, in a network and mount namespace of its own: the test runs itself again inside
//! `unshare`, so that the host's network, mounts and containerd stay untouched.

use std::{os::unix::process::CommandExt, path::Path, process::Command, time::Duration};

use futures::StreamExt;
use gantry_cri::{
    Containerd, ContainerdConfig, ImageClient, RuntimeClient, RuntimeEvent, api, events,
    image_folder::ImageFolder,
    import::ImageImporter,
    oci_archive::{ImageBuilder, Layer},
    runtime::connect,
};

const INSIDE: &str = "GANTRY_TEST_INSIDE_NAMESPACES";
const IMAGE: &str = "test.local/busybox:1";

/// Runs the named test again in private namespaces; returns true inside of them. Outside, panics if the inner run fails.
fn in_private_namespaces(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let me = std::env::current_exe().expect("a test has an executable");
    let script = "mount --make-rslave / && ip link set lo up && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c", script, "sh"])
        .arg(me);
    // What is mounted inside keeps its folders from being removed there; out here nothing is mounted any more.
    let folder = tempfile::tempdir().expect("a temporary folder");
    unshare.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").env("TMPDIR", folder.path());
    let status = unshare.process_group(0).status().expect("unshare is part of util-linux");
    assert!(status.success(), "{test} failed inside of its namespaces: {status}");
    false
}

fn write_busybox_image(path: &Path) {
    let mut layer = Layer::new();
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    layer.file("bin/busybox", 0o755, &busybox).expect("added");
    layer.symlink("bin/sh", "busybox").expect("added");
    let image = ImageBuilder::new(IMAGE).layer(layer).env("PATH", "/bin").cmd(["sh"]);
    image.write_to(path).expect("written");
}

fn write_cni_config(folder: &Path, state: &Path) {
    let data = state.join("ipam");
    let conf = format!(
        r#"{{"cniVersion":"0.4.0","name":"test","plugins":[{{"type":"bridge","bridge":"cni0","isGateway":true,
        "ipam":{{"type":"host-local","dataDir":"{}","ranges":[[{{"subnet":"10.251.7.0/24"}}]]}}}}]}}"#,
        data.display()
    );
    std::fs::create_dir_all(folder).expect("made");
    std::fs::write(folder.join("10-test.conflist"), conf).expect("written");
}

fn sandbox_config(logs: &Path) -> api::PodSandboxConfig {
    api::PodSandboxConfig {
        metadata: Some(api::PodSandboxMetadata {
            name: "pod".into(),
            uid: "uid-1".into(),
            namespace: "ns".into(),
            attempt: 0,
        }),
        hostname: "pod".into(),
        log_directory: logs.to_string_lossy().into_owned(),
        linux: Some(api::LinuxPodSandboxConfig { cgroup_parent: "/gantry-test-cri".into(), ..Default::default() }),
        ..Default::default()
    }
}

fn container_config(script: &str) -> api::ContainerConfig {
    api::ContainerConfig {
        metadata: Some(api::ContainerMetadata { name: "main".into(), attempt: 0 }),
        image: Some(api::ImageSpec { image: IMAGE.into(), ..Default::default() }),
        command: vec!["sh".into(), "-c".into(), script.into()],
        log_path: "main.log".into(),
        ..Default::default()
    }
}

/// Events as they come, read by a task from the start on.
struct Subscription {
    received: tokio::sync::mpsc::UnboundedReceiver<RuntimeEvent>,
}

impl Subscription {
    fn start(channel: tonic::transport::Channel) -> Self {
        let (send, received) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut events = events::subscribe(channel);
            while let Some(Ok(event)) = events.next().await {
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        Self { received }
    }

    async fn next_about(&mut self, id: &str) -> RuntimeEvent {
        let wanted = async {
            loop {
                let event = self.received.recv().await.expect("the subscription lives");
                if event.id() == id {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wanted).await.expect("the event comes")
    }
}

#[tokio::test]
async fn a_container_from_an_archive_runs_and_its_events_arrive_and_a_killed_containerd_comes_back() {
    if !in_private_namespaces(
        "a_container_from_an_archive_runs_and_its_events_arrive_and_a_killed_containerd_comes_back",
    ) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = ContainerdConfig::below(folder.path());
    write_cni_config(&config.cni_conf_dir, folder.path());
    let mut containerd = Containerd::start(config.clone()).await.expect("containerd starts");
    let channel = connect(&config.socket()).expect("a socket path");
    let (runtime, images) = (RuntimeClient::new(channel.clone()), ImageClient::new(channel.clone()));
    let importer = ImageImporter::new(&config.socket(), images.clone());
    importer.import_pause_image(folder.path()).await.expect("the pause image is imported");
    let archives = folder.path().join("images");
    let watched = ImageFolder::open(&archives).expect("watched");
    write_busybox_image(&archives.join("busybox.tar"));
    watched.import_present(&importer).await.expect("imported");
    assert!(images.image_status(IMAGE).await.expect("asked").is_some());

    let mut stream = Subscription::start(channel.clone());
    let sandbox = sandbox_config(&folder.path().join("logs"));
    let sandbox_id = runtime.run_pod_sandbox(sandbox.clone(), "").await.expect("the sandbox starts");
    let status = runtime.pod_sandbox_status(&sandbox_id).await.expect("status");
    assert!(status.network.expect("a network").ip.starts_with("10.251.7."));
    let script = "echo hello; trap 'exit 7' TERM; while :; do sleep 0.05; done";
    let id = runtime.create_container(&sandbox_id, container_config(script), sandbox.clone()).await.expect("created");
    runtime.start_container(&id).await.expect("started");
    assert_eq!(stream.next_about(&id).await, RuntimeEvent::Started { id: id.clone() });
    let output = runtime.exec_sync(&id, words("busybox echo in"), Duration::from_secs(5)).await.expect("ran");
    assert_eq!((output.stdout.as_slice(), output.exit_code), (b"in\n".as_slice(), 0));

    let pid = i32::try_from(containerd.pid().expect("it runs")).expect("a pid fits");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
    containerd.ended().await.expect("its end is seen");
    containerd.revive().await;
    let status = runtime.container_status(&id).await.expect("the container is known to the new process");
    assert_eq!(status.state, api::ContainerState::ContainerRunning as i32);

    let mut stream = Subscription::start(channel);
    runtime.version().await.expect("answers after it took the subscription");
    runtime.stop_container(&id, 10).await.expect("stopped");
    assert_eq!(stream.next_about(&id).await, RuntimeEvent::Exited { id: id.clone(), exit_code: 7 });
    let log = std::fs::read_to_string(folder.path().join("logs/main.log")).expect("a log");
    assert!(log.contains("stdout F hello"), "{log}");
    runtime.stop_pod_sandbox(&sandbox_id).await.expect("stopped");
    runtime.remove_pod_sandbox(&sandbox_id).await.expect("removed");
    assert!(runtime.container_status(&id).await.expect_err("gone").is_not_found());
    containerd.stop().await.expect("stopped");
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}
