//! Where events go: a line each, written by a thread of its own, so that no request waits for a disk.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use thiserror::Error;

use super::Policy;

/// Events that wait for the writer; beyond it they are lost, and counted, as upstream's batch mode does.
const QUEUE: usize = 10_000;

/// Why there is no audit log.
#[derive(Debug, Error)]
pub enum AuditLogError {
    #[error("cannot write the audit log {path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

/// A policy, and where what it chooses is written.
pub struct AuditLog {
    policy: Policy,
    lines: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    lost: AtomicU64,
}

impl AuditLog {
    /// Appends to the file; `-` is standard output.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(policy: Policy, path: &Path) -> Result<Self, AuditLogError> {
        let out: Box<dyn Write + Send> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            Box::new(BufWriter::new(file.map_err(|source| AuditLogError::File { path: path.to_owned(), source })?))
        };
        let (lines, waiting) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new().name("audit".into()).spawn(move || write(out, &waiting));
        let writer = writer.map_err(|source| AuditLogError::File { path: path.to_owned(), source })?;
        Ok(Self { policy, lines: Some(lines), writer: Some(writer), lost: AtomicU64::new(0) })
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Hands an event to the writer.
    pub(super) fn record(&self, event: &gantry_meta::Value) {
        let mut line = event.to_string().into_bytes();
        line.push(b'\n');
        let sent = self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        // One line for each power of two: a full disk must not fill the other log.
        if !sent && (self.lost.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two() {
            tracing::error!(lost = self.lost.load(Ordering::Relaxed), "audit events are lost: the writer is behind");
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        // The writer ends when nobody can send any more; what waits is written before.
        drop(self.lines.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(mut out: Box<dyn Write + Send>, waiting: &Receiver<Vec<u8>>) {
    while let Ok(line) = waiting.recv() {
        let mut written = out.write_all(&line);
        while let Ok(line) = waiting.try_recv() {
            written = written.and_then(|()| out.write_all(&line));
        }
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::error!(%error, "audit events cannot be written");
        }
    }
}
