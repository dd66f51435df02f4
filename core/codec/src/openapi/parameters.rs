//! Query and path parameters.

use super::operation::Action;
use gantry_meta::{Object, Value};
use serde_json::json;

/// Name, type, and what it is for.
struct Parameter {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const fn parameter(name: &'static str, kind: &'static str, text: &'static str) -> Parameter {
    Parameter { name, kind, text }
}

const QUERY: &[Parameter] = &[
    parameter("allowWatchBookmarks", "boolean", "Send BOOKMARK events, from whose resourceVersion a watch can go on."),
    parameter("command", "string", "The program to run, one parameter a word; no shell is involved."),
    parameter("container", "string", "The container's name; may be left out if the pod has only one."),
    parameter("continue", "string", "The token of the page before."),
    parameter("dryRun", "string", "`All` runs every check and changes nothing."),
    parameter("fieldManager", "string", "Who makes the change, at most 128 printable characters."),
    parameter("fieldSelector", "string", "Only objects whose fields match, as in `status.phase=Running`."),
    parameter(
        "fieldValidation",
        "string",
        "What unknown and repeated fields lead to: `Ignore`, `Warn` (default) or `Strict`.",
    ),
    parameter("follow", "boolean", "Keep the stream open and send what is written from now on."),
    parameter("force", "boolean", "Take over fields that other managers own."),
    parameter("gracePeriodSeconds", "integer", "Seconds an object gets to end by itself; 0 means at once."),
    parameter(
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Delete an object that cannot be read from the store.",
    ),
    parameter("insecureSkipTLSVerifyBackend", "boolean", "Do not verify the certificate of the node that has the log."),
    parameter("labelSelector", "string", "Only objects whose labels match, as in `app=web,tier in (a,b)`."),
    parameter("limit", "integer", "At most this many items; the answer's `continue` leads to the rest."),
    parameter("limitBytes", "integer", "At most this many bytes of the log."),
    parameter("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    parameter("path", "string", "The path on the backend."),
    parameter("ports", "integer", "Ports to forward."),
    parameter("pretty", "string", "`true` indents the answer."),
    parameter("previous", "boolean", "The log of the container's last terminated instance."),
    parameter("propagationPolicy", "string", "What happens to dependents: `Orphan`, `Background` or `Foreground`."),
    parameter("resourceVersion", "string", "The state to read, or to watch from."),
    parameter("resourceVersionMatch", "string", "How resourceVersion applies to a list: `Exact` or `NotOlderThan`."),
    parameter("sendInitialEvents", "boolean", "Begin a watch with the objects that exist, ended by a bookmark."),
    parameter("shardSelector", "string", "Only a share of the objects. Not supported: its feature is off."),
    parameter("sinceSeconds", "integer", "Only lines younger than this."),
    parameter("sinceTime", "string", "Only lines written since this RFC 3339 time."),
    parameter("stderr", "boolean", "Attach standard error."),
    parameter("stdin", "boolean", "Attach standard input."),
    parameter("stdout", "boolean", "Attach standard output."),
    parameter("stream", "string", "Which stream of the log. Not supported: its feature is off."),
    parameter("tailLines", "integer", "Only this many lines from the end."),
    parameter("timeoutSeconds", "integer", "The request ends after this time, whatever happened."),
    parameter("timestamps", "boolean", "Begin each line with its RFC 3339 time."),
    parameter("tty", "boolean", "Attach a terminal."),
    parameter("watch", "boolean", "Send changes as a stream instead of a list."),
];

const PATH: &[Parameter] = &[
    parameter("name", "string", "The object's name."),
    parameter("namespace", "string", "The object's namespace."),
    parameter("path", "string", "The path on the backend."),
];

const LISTED: [&str; 12] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];
const WRITTEN: [&str; 4] = ["dryRun", "fieldManager", "fieldValidation", "pretty"];
const DELETED: [&str; 6] = [
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "pretty",
    "propagationPolicy",
];

/// Query parameters of an action on a resource.
pub(super) fn of_action(action: Action) -> Vec<&'static str> {
    match action {
        Action::List | Action::Watch | Action::WatchList => LISTED.to_vec(),
        Action::Post | Action::Put => WRITTEN.to_vec(),
        Action::Patch => [&WRITTEN[..], &["force"]].concat(),
        Action::Delete => DELETED.to_vec(),
        Action::DeleteCollection => {
            let selected = LISTED.into_iter().filter(|n| !matches!(*n, "allowWatchBookmarks" | "watch" | "pretty"));
            DELETED.into_iter().chain(selected).collect()
        }
        Action::Get => vec!["pretty"],
        Action::Connect | Action::Plain => Vec::new(),
    }
}

/// Query parameters of a subresource that streams.
pub(super) fn of_connect(subresource: &str) -> Vec<&'static str> {
    match subresource {
        "attach" => vec!["container", "stderr", "stdin", "stdout", "tty"],
        "exec" => vec!["command", "container", "stderr", "stdin", "stdout", "tty"],
        "portforward" => vec!["ports"],
        "proxy" => vec!["path"],
        "log" => vec![
            "container",
            "follow",
            "insecureSkipTLSVerifyBackend",
            "limitBytes",
            "pretty",
            "previous",
            "sinceSeconds",
            "stream",
            "tailLines",
            "timestamps",
        ],
        _ => Vec::new(),
    }
}

/// The parameters that a path names in braces.
pub(super) fn in_path(path: &str) -> impl Iterator<Item = &'static str> + '_ {
    PATH.iter().map(|p| p.name).filter(move |name| path.contains(&format!("{{{name}}}")))
}

fn find(list: &'static [Parameter], name: &str) -> &'static Parameter {
    // A test walks all paths: a name that is not in the lists would show there.
    list.iter().find(|p| p.name == name).unwrap_or(&list[0])
}

/// A parameter as version 3 writes it.
pub(super) fn v3(name: &str, in_path: bool) -> Value {
    let parameter = find(if in_path { PATH } else { QUERY }, name);
    let mut written = json!({
        "name": name,
        "in": if in_path { "path" } else { "query" },
        "description": parameter.text,
        "schema": {"type": parameter.kind, "uniqueItems": true},
    });
    if in_path {
        written["required"] = true.into();
    }
    written
}

/// A reference to a parameter of [`shared`].
pub(super) fn v2(name: &str, in_path: bool) -> Value {
    json!({"$ref": format!("#/parameters/{}", shared_name(name, in_path))})
}

fn shared_name(name: &str, in_path: bool) -> String {
    if in_path { format!("{name}-path") } else { name.to_owned() }
}

/// All parameters, as version 2 keeps them beside the paths.
pub(super) fn shared() -> Object {
    let written = |list: &'static [Parameter], in_path: bool| {
        list.iter().map(move |p| {
            let mut value = json!({
                "name": p.name,
                "in": if in_path { "path" } else { "query" },
                "description": p.text,
                "type": p.kind,
                "uniqueItems": true,
            });
            if in_path {
                value["required"] = true.into();
            }
            (shared_name(p.name, in_path), value)
        })
    };
    written(QUERY, false).chain(written(PATH, true)).collect()
}
