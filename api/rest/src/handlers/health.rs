//! `/healthz`, `/livez`, `/readyz`: each as a whole and by its parts.

use actix_web::{HttpRequest, HttpResponse};

use crate::{query::Query, respond, respond::PLAIN_TEXT, state::RestState};

/// The parts, under the names that probes in the field ask for: `etcd` is whatever holds the state.
const LIVE: &[&str] = &["ping", "etcd"];
const READY: &[&str] = &["ping", "etcd", "informer-sync", "shutdown"];

pub(super) fn is_health(path: &str) -> bool {
    ["/healthz", "/livez", "/readyz"].iter().any(|root| path.strip_prefix(root).is_some_and(is_part))
}

fn is_part(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

pub(super) fn answer(state: &RestState, request: &HttpRequest) -> HttpResponse {
    let (root, part) = split(request.path());
    let parts = if root == "readyz" { READY } else { LIVE };
    match part {
        None => whole(state, root, parts, &Query::parse(request.query_string())),
        Some(part) if parts.contains(&part) => one(is_well(state, part)),
        Some(_) => respond::plain_not_found(),
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or((path, None), |(root, part)| (root, Some(part)))
}

fn is_well(state: &RestState, part: &str) -> bool {
    match part {
        "etcd" | "informer-sync" => state.executor.is_ready(),
        "shutdown" => !state.shutdown.is_cancelled(),
        _ => true,
    }
}

fn one(well: bool) -> HttpResponse {
    if well {
        HttpResponse::Ok().content_type(PLAIN_TEXT).body("ok")
    } else {
        HttpResponse::InternalServerError().content_type(PLAIN_TEXT).body("internal server error: not ready\n")
    }
}

fn whole(state: &RestState, root: &str, parts: &[&str], query: &Query<'_>) -> HttpResponse {
    let excluded: Vec<&str> = query.all("exclude").collect();
    let mut text = String::new();
    let mut failed = false;
    for part in parts {
        let well = excluded.contains(part) || is_well(state, part);
        failed |= !well;
        let line = match (excluded.contains(part), well) {
            (true, _) => format!("[+]{part} excluded: ok\n"),
            (false, true) => format!("[+]{part} ok\n"),
            (false, false) => format!("[-]{part} failed: reason withheld\n"),
        };
        text.push_str(&line);
    }
    text.push_str(&format!("{root} check {}\n", if failed { "failed" } else { "passed" }));
    match (failed, query.get("verbose")) {
        (true, _) => HttpResponse::InternalServerError().content_type(PLAIN_TEXT).body(text),
        (false, Some(_)) => HttpResponse::Ok().content_type(PLAIN_TEXT).body(text),
        (false, None) => HttpResponse::Ok().content_type(PLAIN_TEXT).body("ok"),
    }
}
