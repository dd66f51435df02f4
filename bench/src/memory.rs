//! Resident memory of processes, from /proc.

use std::{fmt, fs};

use anyhow::{Result, ensure};

/// Of several processes, in KiB.
#[derive(Default)]
pub struct Resident {
    /// Command and resident size of each.
    processes: Vec<(String, u64)>,
    /// Pages that several share counted in parts.
    proportional: u64,
}

/// Of all processes whose command line has every one of `words`, the first argument's file name being the last of them.
pub fn of_processes(words: &[&str]) -> Result<Resident> {
    let mut found = Resident::default();
    for entry in fs::read_dir("/proc")?.flatten() {
        let folder = entry.path();
        let Ok(line) = fs::read(folder.join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let program = line.split(' ').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        if Some(&program) != words.last() || !words.iter().all(|word| line.contains(word)) {
            continue;
        }
        let role = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let rollup = fs::read_to_string(folder.join("smaps_rollup"))?;
        found.processes.push((role, kib(&rollup, "Rss:")));
        found.proportional += kib(&rollup, "Pss:");
    }
    ensure!(!found.processes.is_empty(), "no process has {words:?} in its command line");
    Ok(found)
}

fn kib(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

impl Resident {
    /// Of all together, in MB, pages that several share counted in each.
    pub fn mb(&self) -> f64 {
        self.processes.iter().map(|(_, kib)| *kib as f64).sum::<f64>() / 1024.0
    }
}

impl fmt::Display for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |kib: u64| kib as f64 / 1024.0;
        let sum: u64 = self.processes.iter().map(|(_, kib)| kib).sum();
        let each: Vec<String> = self.processes.iter().map(|(role, kib)| format!("{role} {:.0} MB", mb(*kib))).collect();
        write!(f, "{:.0} MB ({}), proportional {:.0} MB", mb(sum), each.join(", "), mb(self.proportional))
    }
}
