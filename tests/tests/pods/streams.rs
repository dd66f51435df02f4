//! exec, attach, cp, port-forward, debug.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Stdio},
};

use anyhow::{Context, Result};
use gantry_tests::Kubectl;

use crate::{BUSYBOX, SOON, idle_pod, kubectl};

#[test]
fn exec_loses_neither_output_nor_exit_code_over_either_protocol() -> Result<()> {
    let kubectl = kubectl("exec")?;
    idle_pod(&kubectl)?;
    let line = "exec p -- sh -c 'echo out; echo err >&2; head -c 20000 /dev/zero | tr \"\\0\" x; exit 3'";
    for websockets in ["true", "false"] {
        for _ in 0..20 {
            let output = kubectl.command(line).env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets).output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{errors}");
            assert_eq!(output.stdout.len(), 20_004, "{errors}");
            assert!(errors.starts_with("err\n"), "{errors}");
        }
    }
    Ok(())
}

#[test]
fn input_reaches_the_command_and_its_end_too() -> Result<()> {
    let kubectl = kubectl("stdin")?;
    idle_pod(&kubectl)?;
    let text = "line\n".repeat(40_000);
    assert_eq!(kubectl.with_input("exec -i p -- sh -c 'cat; echo end'", &text)?, format!("{text}end\n"));
    Ok(())
}

#[test]
fn a_terminal_has_the_users_size_and_follows_it() -> Result<()> {
    let kubectl = kubectl("terminal")?;
    idle_pod(&kubectl)?;
    let script = r#"
        (until kubectl exec p -- test -e /tmp/sized; do :; done; stty -F /dev/tty rows 40 cols 120) >/dev/null 2>&1 &
        kubectl exec -it p -- sh -c '
            until stty size 2>/dev/null | grep "33 101"; do sleep 0.1; done; touch /tmp/sized
            until stty size | grep "40 120"; do sleep 0.1; done; tty'"#;
    let shown = kubectl.on_terminal(33, 101, script)?;
    assert!(shown.contains("33 101\n40 120\n/dev/pts/"), "{shown}");
    Ok(())
}

#[test]
fn run_attaches_hands_input_over_and_cleans_up() -> Result<()> {
    let kubectl = kubectl("attach")?;
    let run = format!("run one --rm -i --restart=Never --image={BUSYBOX} -- sh -c 'read word; echo got $word'");
    let shown = kubectl.with_input(&run, "hello\n")?;
    assert!(shown.contains("got hello") && shown.contains("pod \"one\" deleted"), "{shown}");
    let run = format!("kubectl run two --rm -it --restart=Never --image={BUSYBOX} -- sh -c 'sleep 1; tty; echo done'");
    let shown = kubectl.on_terminal(24, 80, &run)?;
    assert!(shown.contains("done\n"), "{shown}");
    kubectl.until("get pods -o name", SOON, str::is_empty)?;
    Ok(())
}

#[test]
fn run_shows_the_output_of_a_command_that_ends_at_once() -> Result<()> {
    let kubectl = kubectl("short")?;
    for n in 0..5 {
        let run = format!("run p{n} --rm -i --restart=Never --image={BUSYBOX} -- echo here and gone");
        let shown = kubectl.run(&run)?;
        assert!(shown.contains("here and gone\n"), "{shown}");
    }
    Ok(())
}

#[test]
fn files_and_folders_are_copied_both_ways() -> Result<()> {
    let kubectl = kubectl("copy")?;
    idle_pod(&kubectl)?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let content: Vec<u8> = (0..1_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::create_dir_all(path("there/deep"))?;
    std::fs::write(path("there/deep/file"), &content)?;
    kubectl.run(&format!("cp {} p:/tmp/there", path("there")))?;
    kubectl.run(&format!("cp p:/tmp/there {}", path("back")))?;
    assert!(std::fs::read(path("back/deep/file"))? == content, "the file came back changed");
    Ok(())
}

/// A `kubectl port-forward`, ended when dropped.
struct Forward {
    child: Child,
    address: String,
    /// kubectl ends when nobody reads what it says.
    _says: BufReader<ChildStdout>,
}

impl Forward {
    fn start(kubectl: &Kubectl, to: &str) -> Result<Self> {
        let mut child = kubectl.command(&format!("port-forward {to}")).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let mut says = BufReader::new(child.stdout.take().context("piped above")?);
        says.read_line(&mut line)?;
        let address = line.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next());
        Ok(Self { address: address.with_context(|| line.clone())?.to_owned(), child, _says: says })
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ports_of_pods_and_services_are_forwarded() -> Result<()> {
    let kubectl = kubectl("forward")?;
    kubectl.run("run web --image=gantry.local/web:1 --port=8080")?;
    kubectl.run("wait --for=condition=Ready pod/web --timeout=60s")?;
    kubectl.run("expose pod web --port=80 --target-port=8080")?;
    for to in ["pod/web :8080", "service/web :80"] {
        let forward = Forward::start(&kubectl, to)?;
        for _ in 0..5 {
            let answer = forward.get("/hostname")?;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("web\n"), "{to}: {answer}");
        }
    }
    Ok(())
}

#[test]
fn an_ephemeral_container_looks_into_a_running_pod() -> Result<()> {
    let kubectl = kubectl("debug")?;
    idle_pod(&kubectl)?;
    let debug =
        format!("debug p --image={BUSYBOX} -c look --target=main -- sh -c 'cat /proc/1/cmdline; echo; sleep 3600'");
    kubectl.run(&debug)?;
    kubectl.until("logs p -c look", SOON, |log| log.contains("trap 'exit 0' TERM"))?;
    let status = &kubectl.json("get pod p")?["status"];
    assert!(status["ephemeralContainerStatuses"][0]["state"]["running"].is_object(), "{status}");
    assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
    assert_eq!(kubectl.run("exec p -c look -- echo inside")?, "inside\n");
    kubectl.run("delete pod p --timeout=60s")?;
    Ok(())
}
