//! Fresh databases for tests, on one managed server that all test processes of the machine share.
//!
//! The server lives in a folder for temporary files and ends with the last process that uses it: each holds a shared lock on
//! a file, and a small guard process waits for the exclusive one. `GANTRY_TEST_DATABASE_URL` names another server to use.

use std::{
    env, fs,
    fs::File,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::{ManagedOptions, ManagedPostgres, PgStorage, migrations, startup};

/// A database of a test's own. On a server of the user's it is dropped with this; on ours it goes with the server, because
/// each DROP DATABASE waits for a checkpoint.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// Makes one, migrated. Takes about 50 ms, the first in a process a second or two.
    pub async fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server().await;
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.execute(format!("CREATE DATABASE {name} TEMPLATE {}", server.template)).await;
        Self { url: with_database(&server.url, &name), name }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A storage on this database; as many as one likes, each is a replica.
    pub async fn storage(&self) -> PgStorage {
        PgStorage::connect(&self.url).await.expect("the test server takes connections")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if env::var("GANTRY_TEST_DATABASE_URL").is_err() {
            return;
        }
        let name = self.name.clone();
        // A thread of its own, because the test's runtime may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let drop = async { server().await.execute(format!("DROP DATABASE {name} WITH (FORCE)")).await };
            runtime.expect("a runtime for one statement").block_on(drop);
        });
        dropped.join().ok();
    }
}

struct Server {
    url: String,
    template: String,
    /// Shared locks last as long as the process.
    _in_use: Option<File>,
}

async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(Server::start).await
}

impl Server {
    async fn start() -> Self {
        let (url, in_use) = match env::var("GANTRY_TEST_DATABASE_URL") {
            Ok(url) => (url, None),
            Err(_) => shared().await,
        };
        let server = Self { template: template_name(), url, _in_use: in_use };
        server.make_template().await;
        server
    }

    async fn connect(&self) -> PgConnection {
        let options = startup::options(&self.url).expect("the server's URL is valid");
        startup::connect(&options).await.expect("the test server takes connections")
    }

    async fn execute(&self, statement: String) {
        let mut connection = self.connect().await;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.expect("the statement succeeds");
        connection.close().await.ok();
    }

    /// A migrated database to copy. Made under another name and renamed, so that it is never seen half done.
    async fn make_template(&self) {
        let mut connection = self.connect().await;
        connection.execute("SELECT pg_advisory_lock(7009)").await.expect("a lock");
        let exists =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(&self.template);
        let exists: bool = exists.fetch_one(&mut connection).await.expect("an answer");
        if !exists {
            let unfinished = format!("{}_unfinished", self.template);
            self.execute(format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
            self.execute(format!("CREATE DATABASE {unfinished}")).await;
            drop(PgStorage::connect(&with_database(&self.url, &unfinished)).await.expect("migrations run"));
            let sessions =
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{unfinished}'");
            self.execute(sessions).await;
            self.execute(format!("ALTER DATABASE {unfinished} RENAME TO {}", self.template)).await;
        }
        connection.close().await.ok();
    }
}

/// Differs with the migrations, so that branches that share a machine do not share it.
fn template_name() -> String {
    let text: String = migrations::MIGRATIONS.iter().map(|(_, _, text)| *text).collect();
    format!("template_{:016x}", gantry_storage::digest::mix(&text, gantry_storage::Revision::ZERO))
}

fn with_database(url: &str, name: &str) -> String {
    let (base, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = base.rsplit_once('/').expect("a database URL has a path");
    format!("{server}/{name}?{options}")
}

/// The shared server and a lock that keeps it.
async fn shared() -> (String, Option<File>) {
    let dir = env::temp_dir().join(format!("gantry-test-postgres-{}", nix::unistd::geteuid()));
    fs::create_dir_all(&dir).expect("a folder for temporary files");
    let open = |name: &str| {
        let file = File::options().create(true).append(true).open(dir.join(name));
        file.expect("a lock file in the folder for temporary files")
    };
    let (starting, in_use) = (open("starting.lock"), open("in-use.lock"));
    let started = tokio::task::spawn_blocking(move || {
        // One process starts it. The guard of an earlier server holds the second lock while that one stops.
        starting.lock().expect("a lock");
        in_use.lock_shared().expect("a lock");
        (starting, in_use)
    });
    let (starting, in_use) = started.await.expect("locks do not panic");
    let options = ManagedOptions { max_connections: 400, shared_buffers_mb: 64, ..ManagedOptions::default() };
    let postgres = ManagedPostgres::start(&dir.join("server"), &options).await.expect("PostgreSQL starts");
    if !postgres.reused() {
        guard(&dir, postgres.pid());
    }
    drop(starting);
    (postgres.url().to_owned(), Some(in_use))
}

/// Stops the server once nobody holds the lock, and empties the folder for the next time: nothing in it is worth a shutdown
/// in good order.
fn guard(dir: &std::path::Path, pid: u32) {
    let script = format!(
        "(exec 9>>in-use.lock; flock -x 9; kill -QUIT {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.02; done; rm -rf server) &"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.status().expect("a shell runs");
}
