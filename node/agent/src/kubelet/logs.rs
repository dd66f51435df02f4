//! Container logs, read from the files that the runtime writes in CRI's format: `TIME STREAM TAG TEXT`, where the tag `P`
//! marks a line that goes on in the next record.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use gantry_cri::{
    RuntimeClient, api,
    folder_watch::{AddWatchFlags, FolderWatch},
};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodStatus;
use serde::Deserialize;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader, SeekFrom},
    sync::{broadcast, mpsc},
};

use crate::pod::status::container_statuses;

/// A followed container is asked this often whether it still runs, in case its end was not told.
const BACKSTOP: Duration = Duration::from_secs(10);
/// Blocks of this size are read backwards to find the last lines.
const BLOCK_BYTES: u64 = 64 << 10;

/// The query as it comes.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct LogQuery {
    follow: Option<String>,
    previous: Option<String>,
    timestamps: Option<String>,
    since_seconds: Option<i64>,
    since_time: Option<String>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
}

/// What part of a log is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogOptions {
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub since: Option<Timestamp>,
    pub tail_lines: Option<usize>,
    pub limit_bytes: Option<usize>,
}

fn truth(value: Option<&String>) -> bool {
    value.is_some_and(|text| !text.is_empty() && text != "0" && !text.eq_ignore_ascii_case("false"))
}

impl LogQuery {
    pub fn options(&self) -> Result<LogOptions, String> {
        let size = |value: Option<i64>, name: &str| {
            value.map(|v| usize::try_from(v).map_err(|_| format!("{name} must not be negative"))).transpose()
        };
        let since = match (&self.since_time, self.since_seconds) {
            (Some(text), _) => Some(text.parse().map_err(|e| format!("sinceTime: {e}"))?),
            (None, Some(seconds)) => Timestamp::now().checked_sub(SignedDuration::from_secs(seconds)).ok(),
            (None, None) => None,
        };
        Ok(LogOptions {
            follow: truth(self.follow.as_ref()),
            previous: truth(self.previous.as_ref()),
            timestamps: truth(self.timestamps.as_ref()),
            since,
            tail_lines: size(self.tail_lines, "tailLines")?,
            limit_bytes: size(self.limit_bytes, "limitBytes")?,
        })
    }
}

/// The answer where a container has no log (yet), worded as kubelet does.
pub fn not_available(namespace: &str, pod: &str, container: &str, status: &PodStatus, previous: bool) -> Response {
    let state = container_statuses(status).find(|s| s.name == container).and_then(|s| s.state.clone());
    let reason = state.and_then(|s| s.waiting).and_then(|w| w.reason).unwrap_or_else(|| "ContainerCreating".into());
    let message = if previous {
        format!("previous terminated container {container:?} in pod {pod:?} not found")
    } else {
        format!("container {container:?} in pod {pod:?} is waiting to start: {reason}")
    };
    tracing::debug!(namespace, pod, container, message);
    (StatusCode::BAD_REQUEST, message).into_response()
}

/// A container's log as the client wants it; followed until the container has ended or the client goes away. `exits`:
/// see [`crate::context::NodeContext::exits`], subscribed to before `container` was read.
pub fn stream(
    runtime: RuntimeClient,
    exits: broadcast::Receiver<String>,
    container: api::ContainerStatus,
    options: LogOptions,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let path = PathBuf::from(&container.log_path);
        let mut reader = LogReader { sender, exits, left: options.limit_bytes, options, continues: false };
        if let Err(error) = reader.run(&runtime, &container.id, &path).await
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            let _ = reader.sender.send(Err(error)).await;
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
}

/// A piece of a container's output.
pub struct Output {
    pub is_error: bool,
    pub text: Vec<u8>,
}

/// All that a container has written so far.
pub async fn output(log: &Path) -> io::Result<Vec<Output>> {
    let content = tokio::fs::read(log).await?;
    let records = content.split_inclusive(|byte| *byte == b'\n').filter_map(Record::parse);
    let line_end = |record: &Record<'_>| if record.is_partial { &b""[..] } else { b"\n" };
    Ok(records.map(|r| Output { is_error: r.is_error, text: [r.text, line_end(&r)].concat() }).collect())
}

struct LogReader {
    sender: mpsc::Sender<io::Result<Bytes>>,
    exits: broadcast::Receiver<String>,
    options: LogOptions,
    left: Option<usize>,
    /// The last record did not end its line: the next one starts without a timestamp.
    continues: bool,
}

impl LogReader {
    async fn run(&mut self, runtime: &RuntimeClient, id: &str, path: &Path) -> io::Result<()> {
        let changes = self.watch(path)?;
        let mut file = File::open(path).await?;
        if let Some(lines) = self.options.tail_lines {
            seek_to_last_lines(&mut file, lines).await?;
        }
        let mut reader = BufReader::new(file);
        let mut record = Vec::new();
        loop {
            // Asked before reading: what was written until the end was seen is read after it.
            let ended = changes.is_none() || self.sender.is_closed() || has_ended(runtime, id).await;
            while reader.read_until(b'\n', &mut record).await? > 0 {
                if record.last() != Some(&b'\n') {
                    break; // Half a record; the rest follows.
                }
                if !self.write(&record).await? {
                    return Ok(());
                }
                record.clear();
            }
            if ended {
                return Ok(());
            }
            if rotated(path, reader.get_ref()).await {
                reader = BufReader::new(File::open(path).await?);
                record.clear();
                continue;
            }
            self.more(changes.as_ref(), id).await?;
        }
    }

    /// What tells of more to read; `None` if the log is not to be followed.
    fn watch(&self, log: &Path) -> io::Result<Option<FolderWatch>> {
        let Some(folder) = log.parent().filter(|_| self.options.follow) else { return Ok(None) };
        let kinds = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_FROM;
        FolderWatch::open(folder, kinds).map(Some)
    }

    /// Returns when there may be more to read, or nothing more will come.
    async fn more(&mut self, changes: Option<&FolderWatch>, id: &str) -> io::Result<()> {
        let Some(changes) = changes else { return Ok(()) };
        let exits = &mut self.exits;
        let ended = async {
            // An error means that exits were missed, or the daemon ends: both are reason to look.
            while exits.recv().await.is_ok_and(|ended| ended != id) {}
        };
        tokio::select! {
            changed = changes.changed() => changed.map(drop),
            () = ended => Ok(()),
            () = self.sender.closed() => Ok(()),
            () = tokio::time::sleep(BACKSTOP) => Ok(()),
        }
    }

    /// Sends one record. Returns false once the limit is reached.
    async fn write(&mut self, record: &[u8]) -> io::Result<bool> {
        let Some(record) = Record::parse(record) else { return Ok(true) };
        if self.options.since.is_some_and(|since| record.time.parse::<Timestamp>().is_ok_and(|at| at < since)) {
            return Ok(true);
        }
        let mut line = Vec::with_capacity(record.text.len() + 40);
        if self.options.timestamps && !self.continues {
            line.extend_from_slice(record.time.as_bytes());
            line.push(b' ');
        }
        line.extend_from_slice(record.text);
        if !record.is_partial {
            line.push(b'\n');
        }
        self.continues = record.is_partial;
        if let Some(left) = &mut self.left {
            line.truncate(*left);
            *left -= line.len();
        }
        let sent = self.sender.send(Ok(Bytes::from(line))).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(self.left != Some(0))
    }
}

struct Record<'a> {
    time: &'a str,
    is_error: bool,
    is_partial: bool,
    text: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let time = std::str::from_utf8(parts.next()?).ok()?;
        let is_error = parts.next()? == b"stderr";
        let is_partial = parts.next()?.first() == Some(&b'P');
        Some(Self { time, is_error, is_partial, text: parts.next().unwrap_or_default() })
    }
}

async fn has_ended(runtime: &RuntimeClient, id: &str) -> bool {
    let status = runtime.container_status(id).await;
    !status.is_ok_and(|s| {
        s.state == api::ContainerState::ContainerRunning as i32
            || s.state == api::ContainerState::ContainerCreated as i32
    })
}

/// A rotation moved the file away and the runtime opened a new one.
async fn rotated(path: &Path, open: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(now), Ok(then)) = (tokio::fs::metadata(path).await, open.metadata().await) else { return false };
    now.ino() != then.ino()
}

/// Moves to where the last `lines` lines begin.
async fn seek_to_last_lines(file: &mut File, lines: usize) -> io::Result<()> {
    let mut position = file.seek(SeekFrom::End(0)).await?;
    let mut missing = lines + 1;
    let mut block = Vec::new();
    while position > 0 {
        let start = position.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start)).await?;
        block.clear();
        (&mut *file).take(position - start).read_to_end(&mut block).await?;
        for (offset, byte) in block.iter().enumerate().rev() {
            missing -= usize::from(*byte == b'\n');
            if missing == 0 {
                file.seek(SeekFrom::Start(start + offset as u64 + 1)).await?;
                return Ok(());
            }
        }
        position = start;
    }
    file.seek(SeekFrom::Start(0)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:01Z stdout P tw\n\
        2026-01-01T00:00:01Z stdout F o\n2026-01-01T00:00:02Z stderr F \n";

    async fn read(options: LogOptions) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        std::fs::write(&path, LOG).expect("written");
        let (sender, mut receiver) = mpsc::channel(16);
        let channel = gantry_cri::runtime::connect(Path::new("/nowhere")).expect("lazy");
        let (_, exits) = broadcast::channel(1);
        let mut reader = LogReader { sender, exits, left: options.limit_bytes, options, continues: false };
        reader.run(&RuntimeClient::new(channel), "", &path).await.expect("read");
        drop(reader);
        let mut out = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            out.extend_from_slice(&chunk.expect("a chunk"));
        }
        String::from_utf8(out).expect("text")
    }

    #[tokio::test]
    async fn partial_records_make_one_line() {
        assert_eq!(read(LogOptions::default()).await, "one\ntwo\n\n");
        let timestamps = read(LogOptions { timestamps: true, ..Default::default() }).await;
        assert_eq!(timestamps, "2026-01-01T00:00:00Z one\n2026-01-01T00:00:01Z two\n2026-01-01T00:00:02Z \n");
    }

    #[tokio::test]
    async fn output_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        std::fs::write(&path, LOG).expect("written");
        let pieces = output(&path).await.expect("read");
        let of = |is_error| pieces.iter().filter(|p| p.is_error == is_error).flat_map(|p| p.text.clone()).collect();
        assert_eq!(
            (String::from_utf8(of(false)), String::from_utf8(of(true))),
            (Ok("one\ntwo\n".into()), Ok("\n".into()))
        );
    }

    #[tokio::test]
    async fn tail_since_and_limit_cut_the_log() {
        assert_eq!(read(LogOptions { tail_lines: Some(1), ..Default::default() }).await, "\n");
        assert_eq!(read(LogOptions { tail_lines: Some(0), ..Default::default() }).await, "");
        assert_eq!(read(LogOptions { tail_lines: Some(99), ..Default::default() }).await, "one\ntwo\n\n");
        let since = Some("2026-01-01T00:00:02Z".parse().expect("a time"));
        assert_eq!(read(LogOptions { since, ..Default::default() }).await, "\n");
        assert_eq!(read(LogOptions { limit_bytes: Some(5), ..Default::default() }).await, "one\nt");
    }
}
