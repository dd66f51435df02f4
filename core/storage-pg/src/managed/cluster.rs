//! Making the database cluster: once, whole or not at all.

use std::{fs, path::Path};

use super::{Layout, ManagedError, account::Account, binaries::Binaries, files};

/// Makes `data/` unless it stands. Works in `data.new/` and renames, so that an interrupted run leaves nothing half done.
pub(super) async fn create(layout: &Layout, binaries: &Binaries, account: &Account) -> Result<(), ManagedError> {
    if layout.data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let fresh = layout.dir.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(files("cannot remove the unfinished", &fresh))?;
    }
    initdb(&fresh, binaries, account).await?;
    fs::rename(&fresh, &layout.data).map_err(files("cannot put in place", &layout.data))?;
    // The rename is durable once its folder is.
    let folder = fs::File::open(&layout.dir).map_err(files("cannot open", &layout.dir))?;
    folder.sync_all().map_err(files("cannot sync", &layout.dir))
}

async fn initdb(data: &Path, binaries: &Binaries, account: &Account) -> Result<(), ManagedError> {
    let mut command = account.command(&binaries.initdb(), data)?;
    command.arg("--pgdata").arg(data);
    // Who reaches the socket, which lies in a folder of mode 0700, may come in as anyone; nobody comes in by TCP.
    command.args(["--username=gantry", "--auth-local=trust", "--auth-host=reject"]);
    command.args(["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]);
    let output = command.output().await.map_err(files("cannot run", &binaries.initdb()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [&*String::from_utf8_lossy(&output.stdout), &*String::from_utf8_lossy(&output.stderr)].concat();
    Err(ManagedError::Program { program: "initdb", output: text.trim().to_owned() })
}
