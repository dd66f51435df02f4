//! What goes wrong around a control plane: taken ports and folders, a database that is not there.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use gantry_storage_pg::{ManagedOptions, ManagedPostgres};
use gantry_tests::{Cluster, Http, Options, cluster::gantry, until};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_left_running() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let up = || -> Result<_> {
        let listen = taken.local_addr()?.to_string();
        let mut up = gantry()?;
        Ok(up.args(["up", "--no-node", "--detach", "--listen", &listen, "--data-dir"]).arg(folder.path()).output()?)
    };
    let output = up()?;
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains(&taken.local_addr()?.to_string()) && text.contains("in use"), "{text}");
    assert!(text.contains("the log is"), "{text}");
    // A second try would be refused with another message if the first were still there.
    assert!(said(&up()?).contains("in use"));
    let pid = std::fs::read_to_string(folder.path().join("run/up.lock"))?;
    until("the first attempt to be gone", LONG, || Ok((!Path::new("/proc").join(pid.trim()).exists()).then_some(())))
}

#[test]
fn a_second_up_on_the_same_folder_is_refused_and_the_first_goes_on() -> Result<()> {
    let cluster = Cluster::start(Options::control_plane())?;
    let output = cluster.up_output()?;
    assert_eq!(output.status.code(), Some(1));
    let pid = cluster.server_pid()?.to_string();
    assert!(
        said(&output).contains("in use by another `gantry up`") && said(&output).contains(&pid),
        "{}",
        said(&output)
    );
    assert!(cluster.kubectl().run("get namespaces")?.contains("kube-system"));
    Ok(())
}

/// A PostgreSQL of the test's own, which it can take away.
struct Database {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    running: Option<ManagedPostgres>,
    url: String,
}

impl Database {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let runtime = tokio::runtime::Runtime::new()?;
        let mut database = Self { folder, runtime, running: None, url: String::new() };
        database.come()?;
        Ok(database)
    }

    fn come(&mut self) -> Result<()> {
        let dir = self.folder.path().join("postgres");
        let started = self.runtime.block_on(ManagedPostgres::start(&dir, &ManagedOptions::default()))?;
        self.url = started.url().to_owned();
        self.running = Some(started);
        Ok(())
    }

    fn go(&mut self) -> Result<()> {
        if let Some(postgres) = self.running.take() {
            self.runtime.block_on(postgres.stop())?;
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.go() {
            eprintln!("{error:#}");
        }
    }
}

/// `gantry server` on a database of somebody else.
struct Server {
    child: Child,
    data_dir: PathBuf,
    _folder: TempDir,
}

impl Server {
    fn spawn(url: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data_dir = folder.path().join("server");
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = std::fs::File::create(data_dir.with_extension("log"))?;
        let child = gantry()?
            .args(["server", "--listen", &listen, "--grpc-listen", "127.0.0.1:0", "--database-url", url, "--data-dir"])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self { child, data_dir, _folder: folder })
    }

    fn http(&self) -> Result<Http> {
        let kubeconfig = self.data_dir.join("kubeconfig");
        until("the server to be ready", LONG, || {
            if !kubeconfig.is_file() {
                return Ok(None);
            }
            let http = Http::new(&kubeconfig)?;
            Ok((http.get("/readyz")?.code == 200).then_some(http))
        })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

fn map(name: &str) -> String {
    serde_json::json!({"metadata": {"name": name}}).to_string()
}

#[test]
fn writes_are_503_while_the_database_is_away_and_everything_comes_back_by_itself() -> Result<()> {
    let mut database = Database::start()?;
    let server = Server::spawn(&database.url)?;
    let http = server.http()?;
    assert_eq!(http.post(MAPS, &map("before"))?.code, 201);
    let events = server.data_dir.with_extension("events");
    let mut watch = http.watch(&format!("{MAPS}?watch=1"), &events)?;
    let seen = |name: &str| -> Result<Option<()>> {
        Ok(std::fs::read_to_string(&events)?.contains(&format!("\"name\":\"{name}\"")).then_some(()))
    };
    until("the watch to begin", LONG, || seen("before"))?;

    database.go()?;
    let refused = http.post(MAPS, &map("during"))?;
    assert_eq!((refused.code, &*refused.reason()), (503, "ServiceUnavailable"), "{}", refused.body);
    assert!(refused.headers.contains("retry-after:"), "{}", refused.headers);
    let read = http.get(&format!("{MAPS}/before?resourceVersion=0"))?;
    assert_eq!(read.code, 200, "what the cache holds is served: {}", read.body);

    database.come()?;
    until("writes to be taken again", LONG, || Ok((http.post(MAPS, &map("after"))?.code == 201).then_some(())))?;
    // The watch went on, or was ended in order: then a client opens the next one.
    let ended = watch.try_wait()?;
    ensure!(ended.is_none_or(|status| status.success()), "the watch broke: {ended:?}");
    if ended.is_none() {
        until("the watch to go on", LONG, || seen("after"))?;
        watch.kill()?;
    }
    watch.wait()?;
    assert!(!std::fs::read_to_string(&events)?.contains("\"name\":\"during\""));
    assert_eq!(http.get(&format!("{MAPS}/during"))?.code, 404);
    assert!(!server.log().contains("panicked"), "{}", server.log());
    Ok(())
}

#[test]
fn a_server_waits_for_a_database_that_comes_late() -> Result<()> {
    let mut database = Database::start()?;
    database.go()?;
    let server = Server::spawn(&database.url)?;
    until("it to say what it waits for", LONG, || {
        Ok(server.log().contains("the database is not there yet").then_some(()))
    })?;
    database.come()?;
    assert_eq!(server.http()?.post(MAPS, &map("late"))?.code, 201);
    Ok(())
}

#[test]
fn a_database_that_can_never_be_used_ends_the_server_with_the_reason() -> Result<()> {
    let database = Database::start()?;
    let elsewhere = database.url.replace("/postgres?", "/nowhere?");
    for (url, reason) in [("nonsense://x", "begins with postgres://"), (&elsewhere, "refuses the connection")] {
        let mut server = Server::spawn(url)?;
        let status = until("the server to end", LONG, || Ok(server.child.try_wait()?))?;
        ensure!(!status.success() && server.log().contains(reason), "{url}: {status}: {}", server.log());
    }
    Ok(())
}
