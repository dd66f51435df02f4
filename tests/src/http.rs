//! Requests that kubectl would not make, with the administrator's certificate, by curl.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use tempfile::TempDir;

/// A server, and who we are to it.
pub struct Http {
    server: String,
    folder: TempDir,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    /// As sent, one a line.
    pub headers: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl Http {
    /// # Errors
    /// If the kubeconfig is not one that `gantry` writes.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig)?)?;
        let folder = tempfile::tempdir()?;
        let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
        for (file, data) in [
            ("ca.crt", &cluster["certificate-authority-data"]),
            ("user.crt", &user["client-certificate-data"]),
            ("user.key", &user["client-key-data"]),
        ] {
            std::fs::write(folder.path().join(file), BASE64_STANDARD.decode(data.as_str().unwrap_or_default())?)?;
        }
        Ok(Self { server: cluster["server"].as_str().context("no server")?.to_owned(), folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn curl(&self, method: &str, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--path-as-is", "--max-time", "60", "--request", method]);
        curl.arg("--cacert").arg(self.file("ca.crt"));
        curl.arg("--cert").arg(self.file("user.crt")).arg("--key").arg(self.file("user.key"));
        curl.arg(format!("{}{path}", self.server));
        curl
    }

    /// # Errors
    /// If there is no answer.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        let mut curl = self.curl(method, path);
        curl.args(["--include", "--header", "Expect:", "--header", &format!("Content-Type: {content_type}")]);
        if !body.is_empty() {
            curl.args(["--data-binary", "@-"]);
        }
        let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // A server that has heard enough closes its end: what it answered counts.
        let _ = child.stdin.take().context("no standard input")?.write_all(body);
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(!text.is_empty(), "no answer: {}", String::from_utf8_lossy(&output.stderr));
        let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let code = headers.split(' ').nth(1).and_then(|code| code.trim().parse().ok()).context("no status line")?;
        Ok(Answer { code, headers: headers.to_ascii_lowercase(), body: body.to_owned() })
    }

    /// # Errors
    /// If there is no answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, "application/json", b"")
    }

    /// # Errors
    /// If there is no answer.
    pub fn post(&self, path: &str, body: &str) -> Result<Answer> {
        self.send("POST", path, "application/json", body.as_bytes())
    }

    /// A watch whose events go to a file.
    ///
    /// # Errors
    /// If curl cannot be started.
    pub fn watch(&self, path: &str, into: &Path) -> Result<Child> {
        let mut curl = self.curl("GET", path);
        Ok(curl.arg("--no-buffer").stdout(std::fs::File::create(into)?).stderr(Stdio::null()).spawn()?)
    }
}
