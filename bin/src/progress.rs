//! What a user sees while things start: one line a step, a spinner on a terminal, JSON lines for a waiting parent.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::say;

/// One report of a starting process to whoever waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Report {
    Step(String),
    Done { step: String, milliseconds: u64 },
    Ready,
    Failed { step: String, error: String },
}

enum Face {
    Terminal(ProgressBar),
    Lines,
    Json,
}

pub struct Progress {
    face: Face,
    step: String,
    since: Instant,
}

impl Progress {
    pub fn to_user() -> Self {
        let face = if std::io::stdout().is_terminal() { Face::Terminal(spinner()) } else { Face::Lines };
        Self { face, step: String::new(), since: Instant::now() }
    }

    pub fn to_parent() -> Self {
        Self { face: Face::Json, step: String::new(), since: Instant::now() }
    }

    /// Ends the step before and begins one.
    pub fn step(&mut self, what: &str) {
        self.finish_step();
        what.clone_into(&mut self.step);
        self.since = Instant::now();
        match &self.face {
            Face::Terminal(bar) => bar.set_message(what.to_owned()),
            Face::Lines => {}
            Face::Json => self.send(&Report::Step(what.to_owned())),
        }
    }

    pub fn current_step(&self) -> &str {
        &self.step
    }

    fn finish_step(&mut self) {
        if self.step.is_empty() {
            return;
        }
        let (step, took) = (std::mem::take(&mut self.step), self.since.elapsed());
        let line = format!("  ✓ {step} ({:.1} s)", took.as_secs_f64());
        match &self.face {
            Face::Terminal(bar) => bar.println(line),
            Face::Lines => say::line(line),
            Face::Json => {
                let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.send(&Report::Done { step, milliseconds });
            }
        }
    }

    pub fn ready(&mut self) {
        self.finish_step();
        match &self.face {
            Face::Terminal(bar) => bar.finish_and_clear(),
            Face::Lines => {}
            Face::Json => self.send(&Report::Ready),
        }
    }

    pub fn failed(&mut self, error: &anyhow::Error) {
        let (step, error) = (self.step.clone(), format!("{error:#}"));
        match &self.face {
            Face::Terminal(bar) => bar.finish_and_clear(),
            Face::Lines => {}
            Face::Json => self.send(&Report::Failed { step, error }),
        }
    }

    /// Shows what a child reports as if it happened here.
    pub fn relay(&mut self, report: &Report) {
        match report {
            Report::Step(what) => self.step(what),
            Report::Ready => self.ready(),
            Report::Done { .. } | Report::Failed { .. } => {}
        }
    }

    fn send(&self, report: &Report) {
        // The parent may have been interrupted: then nobody reads, and starting goes on.
        if let Ok(line) = serde_json::to_string(report) {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
