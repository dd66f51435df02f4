//! The small web server of the examples and tests. It is linked statically, so an image needs nothing else.
//!
//! `web store` keeps guestbook entries in a file; `web frontend` shows them and passes new ones on. Environment:
//! `LISTEN` (default `0.0.0.0:8080`), `ENTRIES_FILE`, `STORE_ADDRESS` (`host:port`), `GREETING`, `SIGNATURE_FILE`.
//! Every role answers `/healthz`, `/hostname`, `/env/NAME` and `/file/PATH`, so a test can see a container from inside.

mod http;
mod store;

use std::{env, fs, io, net::TcpListener, process::ExitCode, thread};

use http::{Request, Response};

fn main() -> ExitCode {
    let role = env::args().nth(1).unwrap_or_else(|| "frontend".to_owned());
    // As process 1 of a container nothing ends us unless we ask for it.
    if let Err(error) = ctrlc::set_handler(|| std::process::exit(0)) {
        eprintln!("web: signals cannot be handled: {error}");
        return ExitCode::FAILURE;
    }
    match serve(&role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("web {role}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(role: &str) -> io::Result<()> {
    let answer: fn(&Request) -> Response = match role {
        "store" => store_answer,
        "frontend" => frontend_answer,
        other => return Err(io::Error::other(format!("unknown role {other:?}: use store or frontend"))),
    };
    let listener = TcpListener::bind(var("LISTEN", "0.0.0.0:8080"))?;
    println!("web {role} listens on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = http::serve_one(&stream, answer) {
                eprintln!("web: {error}");
            }
        });
    }
    Ok(())
}

fn var(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn common_answer(request: &Request) -> Response {
    if let Some(name) = request.path.strip_prefix("/env/") {
        return env::var(name).map_or_else(|_| Response::not_found(), Response::text);
    }
    if let Some(path) = request.path.strip_prefix("/file") {
        return fs::read(path).map_or_else(|_| Response::not_found(), Response::bytes);
    }
    match request.path.as_str() {
        "/healthz" => Response::text("ok\n"),
        "/hostname" => Response::text(hostname()),
        _ => Response::not_found(),
    }
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
}

fn store_answer(request: &Request) -> Response {
    let file = var("ENTRIES_FILE", "/tmp/entries");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/entries") => Response::bytes(fs::read(&file).unwrap_or_default()),
        ("POST", "/entries") => store::append(&file, &request.body),
        _ => common_answer(request),
    }
}

fn frontend_answer(request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => front_page(),
        (_, "/entries") => ask_store(request),
        _ => common_answer(request),
    }
}

fn ask_store(request: &Request) -> Response {
    let address = var("STORE_ADDRESS", "store:80");
    http::send(&address, request).unwrap_or_else(|error| Response::bad_gateway(&address, &error))
}

fn front_page() -> Response {
    let entries = ask_store(&Request::get("/entries"));
    let signature = fs::read_to_string(var("SIGNATURE_FILE", "/etc/guestbook/signature")).unwrap_or_default();
    Response::text(format!(
        "{}\n\n{}\n-- {} on {}",
        var("GREETING", "Guestbook"),
        String::from_utf8_lossy(&entries.body),
        signature.trim(),
        hostname()
    ))
}
