//! The query of exec, attach and port-forward: as the API server's clients spell it (`stdin`, `stdout`, `stderr`) and as
//! kubelet does (`input`, `output`, `error`).

use gantry_cri::api;

/// What a stream request asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamQuery {
    pub command: Vec<String>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
    pub ports: Vec<i32>,
}

fn truth(text: &str) -> bool {
    text != "0" && !text.eq_ignore_ascii_case("false")
}

impl StreamQuery {
    /// Unknown keys are left out.
    pub fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value);
            match key {
                "command" => parsed.command.push(value),
                "stdin" | "input" => parsed.stdin = truth(&value),
                "stdout" | "output" => parsed.stdout = truth(&value),
                "stderr" | "error" => parsed.stderr = truth(&value),
                "tty" => parsed.tty = truth(&value),
                "ports" | "port" => parsed.ports.extend(value.split(',').filter_map(|port| port.parse::<i32>().ok())),
                _ => {}
            }
        }
        // A terminal has one output.
        parsed.stderr &= !parsed.tty;
        parsed
    }

    pub fn exec(&self, container_id: String) -> api::ExecRequest {
        api::ExecRequest {
            container_id,
            cmd: self.command.clone(),
            tty: self.tty,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
        }
    }

    pub fn attach(&self, container_id: String) -> api::AttachRequest {
        api::AttachRequest { container_id, tty: self.tty, stdin: self.stdin, stdout: self.stdout, stderr: self.stderr }
    }
}

/// `+` and `%XX` undone.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten().and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_words_are_decoded() {
        let query = StreamQuery::parse("command=sh&command=-c&command=echo%20a%2Bb+c&stdin=true&output=1&stderr=1");
        assert_eq!(query.command, ["sh", "-c", "echo a+b c"]);
        assert!(query.stdin && query.stdout && query.stderr && !query.tty);
        assert!(!StreamQuery::parse("tty=1&stderr=1").stderr);
        assert_eq!(StreamQuery::parse("ports=80&ports=81").ports, [80, 81]);
    }
}
