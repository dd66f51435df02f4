//! Running the machine's own network tools.

use tokio::process::Command;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program} cannot be started; is it installed?")]
    Start { program: String, source: std::io::Error },
    #[error("`{command}` failed: {message}")]
    Failed { command: String, message: String },
}

/// Runs `ip` with these words, split at blanks; its output.
pub(crate) async fn ip(words: &str) -> Result<String, CommandError> {
    run("ip", words.split_ascii_whitespace()).await
}

pub(crate) async fn run<'a>(program: &str, args: impl Iterator<Item = &'a str>) -> Result<String, CommandError> {
    let args: Vec<_> = args.collect();
    let start = |source| CommandError::Start { program: program.to_owned(), source };
    let output = Command::new(program).args(&args).output().await.map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CommandError::Failed { command: format!("{program} {}", args.join(" ")), message })
}
