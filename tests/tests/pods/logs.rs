//! kubectl logs.

use anyhow::Result;

use crate::{SOON, kubectl, pod};

#[test]
fn a_followed_log_comes_line_by_line_and_ends_with_its_container() -> Result<()> {
    let kubectl = kubectl("follow")?;
    let script = "for n in 1 2 3 4 5; do echo line $n; sleep 0.3; done";
    let mut manifest = pod("p", script, "");
    manifest.push_str("  restartPolicy: Never\n");
    kubectl.with_input("apply -f -", &manifest)?;
    kubectl.run("wait --for=jsonpath={.status.phase}=Running pod/p --timeout=60s")?;
    assert_eq!(kubectl.run("logs -f p")?, "line 1\nline 2\nline 3\nline 4\nline 5\n");
    Ok(())
}

#[test]
fn parts_of_a_log_are_chosen_by_count_time_and_size() -> Result<()> {
    let kubectl = kubectl("parts")?;
    let script = "echo old; sleep 3; echo one; echo two; trap 'exit 0' TERM; sleep 3600 & wait";
    kubectl.with_input("apply -f -", &pod("p", script, ""))?;
    kubectl.until("logs p", SOON, |log| log.ends_with("two\n"))?;
    assert_eq!(kubectl.run("logs p --tail=1")?, "two\n");
    assert_eq!(kubectl.run("logs p --tail=0")?, "");
    assert_eq!(kubectl.run("logs p --limit-bytes=6")?, "old\non");
    let stamped = kubectl.run("logs p --timestamps --tail=2")?;
    let (time, text) = stamped.lines().next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    assert!(text == "one" && time.contains('T') && time.ends_with('Z'), "{stamped}");
    assert_eq!(kubectl.run(&format!("logs p --since-time={time}"))?, "one\ntwo\n");
    assert_eq!(kubectl.run("logs p --since=1h")?, "old\none\ntwo\n");
    assert_eq!(kubectl.run("logs -l app=p --prefix --tail=1")?, "[pod/p/main] two\n");
    Ok(())
}

#[test]
fn the_log_of_the_run_before_stays_and_what_is_not_there_is_named() -> Result<()> {
    let kubectl = kubectl("previous")?;
    kubectl.with_input("apply -f -", &pod("p", "echo run $(cat /proc/sys/kernel/random/uuid); exit 1", ""))?;
    kubectl.with_input("apply -f -", &pod("q", crate::STAYS, ""))?;
    kubectl.until("get pod p -o jsonpath={.status.containerStatuses[0].restartCount}", SOON, |n| n >= "1")?;
    assert!(kubectl.run("logs p --previous")?.starts_with("run "));
    kubectl.run("wait --for=condition=Ready pod/q --timeout=60s")?;
    let refused = kubectl.fails("logs q --previous")?;
    assert!(refused.contains("previous terminated container \"main\" in pod \"q\" not found"), "{refused}");
    assert!(kubectl.fails("logs none")?.contains("NotFound"));
    assert!(kubectl.fails("logs q -c none")?.contains("container none is not valid for pod q"));
    Ok(())
}
