//! Processor time of process trees, from /proc.

use std::{fs, time::Duration};

/// User and system time of `root` and everything below it, ended children that were waited for included.
pub fn of_tree(root: u32) -> Duration {
    let all: Vec<(u32, u32, Duration)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| of_process(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut tree = vec![root];
    let mut sum = Duration::ZERO;
    while let Some(pid) = tree.pop() {
        sum += all.iter().find(|p| p.0 == pid).map_or(Duration::ZERO, |p| p.2);
        tree.extend(all.iter().filter(|p| p.1 == pid).map(|p| p.0));
    }
    sum
}

/// (pid, parent, time).
fn of_process(pid: u32) -> Option<(u32, u32, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "PID (NAME) STATE PPID ...": fields 14 to 17 are utime, stime, cutime, cstime in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    Some((pid, fields.get(1)?.parse().ok()?, Duration::from_millis(ticks * 10)))
}
