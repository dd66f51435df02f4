//! Streams that the kubelet of a pod's node serves.

use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Status, Value, time};

use super::object;
use crate::{
    read,
    request::{Connect, Target},
    response::{ApiResponse, ConnectTo, Scheme},
    served::Served,
    state::State,
};

const KUBELET_PORT: u16 = 10250;

/// Decoded pairs of a query string.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

pub(super) async fn log(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let query = Query::parse(&connect.query);
    let options = log_options(&query, &target.name)?;
    let pod = object(state, served, &target.namespace, &target.name).await?;
    let container = container(&pod, query.get("container"))?;
    let Some(node) = node_of(&pod) else { return Ok(ApiResponse::NoContent) };
    let path = format!("/containerLogs/{}/{}/{container}", target.namespace, target.name);
    to_kubelet((state, served), node, &path, &options).await
}

/// The options that the kubelet knows; 422 for those out of range.
fn log_options(query: &Query, pod: &str) -> Result<Vec<(&'static str, String)>, Status> {
    let (mut options, mut causes) = (Vec::new(), Vec::new());
    for flag in ["follow", "previous", "timestamps"] {
        if query.flag(flag) {
            options.push((flag, "true".to_owned()));
        }
    }
    for (name, least) in [("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)] {
        let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { continue };
        let number: i64 =
            text.parse().map_err(|_| Status::bad_request(format!("{name}: {text:?} is not a valid integer")))?;
        if number < least {
            causes.push(Cause::invalid(&FieldPath::of(name), format!("must be greater than or equal to {least}")));
        }
        options.push((name, text.to_owned()));
    }
    if let Some(since) = query.get("sinceTime").filter(|text| !text.is_empty()) {
        if time::parse_time(since).is_none() {
            return Err(Status::bad_request(format!("sinceTime: {since:?} is not an RFC 3339 time")));
        }
        if query.get("sinceSeconds").is_some() {
            causes.push(Cause::forbidden(
                &FieldPath::root(),
                "at most one of sinceTime or sinceSeconds may be specified",
            ));
        }
        options.push(("sinceTime", since.to_owned()));
    }
    if query.get("stream").is_some() {
        causes.push(Cause::forbidden(&FieldPath::of("stream"), "may not be specified: the feature is off"));
    }
    if causes.is_empty() { Ok(options) } else { Err(Status::invalid("", "PodLogOptions", pod, causes)) }
}

pub(super) async fn exec(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
    verb: &'static str,
) -> Result<ApiResponse, Status> {
    let pod = object(state, served, &target.namespace, &target.name).await?;
    let query = Query::parse(&connect.query);
    let container = container(&pod, query.get("container"))?;
    let node = node_of(&pod).ok_or_else(|| no_host(&target.name))?;
    let mut options: Vec<(&'static str, String)> = Vec::new();
    for (wire, kubelet) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
        if query.flag(wire) {
            options.push((kubelet, "1".to_owned()));
        }
    }
    options.extend(query.all("command").filter(|_| verb == "exec").map(|word| ("command", word.to_owned())));
    let path = format!("/{verb}/{}/{}/{container}", target.namespace, target.name);
    to_kubelet((state, served), node, &path, &options).await
}

pub(super) async fn port_forward(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let query = Query::parse(&connect.query);
    let ports: Vec<&str> = query.all("ports").flat_map(|ports| ports.split(',')).collect();
    if let Some(other) = ports.iter().find(|port| port.parse::<u32>().is_err()) {
        return Err(Status::bad_request(format!("ports: {other:?} is not a number")));
    }
    let options: Vec<_> = ports.into_iter().map(|port| ("port", port.to_owned())).collect();
    let pod = object(state, served, &target.namespace, &target.name).await?;
    let node = node_of(&pod).ok_or_else(|| no_host(&target.name))?;
    let path = format!("/portForward/{}/{}", target.namespace, target.name);
    to_kubelet((state, served), node, &path, &options).await
}

fn no_host(pod: &str) -> Status {
    Status::bad_request(format!("pod {pod} does not have a host assigned"))
}

fn node_of(pod: &Object) -> Option<&str> {
    let node = pod.get("spec")?.get("nodeName")?.as_str()?;
    (!node.is_empty()).then_some(node)
}

/// The container that is named, or the only one; 400 with the choices where there are several.
fn container<'a>(pod: &'a Object, named: Option<&'a str>) -> Result<&'a str, Status> {
    let names = |list: &str| -> Vec<&'a str> {
        let containers = pod.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
        containers.into_iter().flatten().filter_map(|c| c.get("name")?.as_str()).collect()
    };
    let containers = names("containers");
    match (named.filter(|name| !name.is_empty()), containers.as_slice()) {
        (Some(name), all) => {
            let known = all.contains(&name)
                || names("initContainers").contains(&name)
                || names("ephemeralContainers").contains(&name);
            let why = || Status::bad_request(format!("container {name} is not valid for pod {}", pod.name()));
            if known { Ok(name) } else { Err(why()) }
        }
        (None, [only]) => Ok(only),
        (None, several) => {
            let choices = several.join(" ");
            let why = format!("a container name must be specified for pod {}, choose one of: [{choices}]", pod.name());
            Err(Status::bad_request(why))
        }
    }
}

async fn to_kubelet(
    (state, served): (&State, &Served),
    node: &str,
    path: &str,
    options: &[(&'static str, String)],
) -> Result<ApiResponse, Status> {
    let (host, port) = address(state, served, node).await?;
    // Built after the wait: the serializer is not Send, and in-process clients run this on any thread.
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(options).finish();
    let path_and_query = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    Ok(ApiResponse::Connect(ConnectTo { scheme: Scheme::Https, host, port, path_and_query, kubelet: true }))
}

/// Where a node's kubelet listens. That there is no such node is said of `asked`, the resource of the request.
pub(super) async fn address(state: &State, asked: &Served, node: &str) -> Result<(String, u16), Status> {
    let served = state.served.preferred("", "nodes").ok_or_else(|| Status::internal("nodes are not served"))?;
    let found = read::current(state, served, "", node).await?.ok_or_else(|| asked.not_found(node))?;
    let found = read::served_tree(served, &found);
    let status = found.get("status").and_then(Value::as_object);
    let addresses = status.and_then(|s| s.get("addresses")).and_then(Value::as_array);
    let of_type = |wanted: &str| {
        let same = |a: &&Value| a.get("type").and_then(Value::as_str) == Some(wanted);
        addresses?.iter().find(same)?.get("address")?.as_str().map(str::to_owned)
    };
    let host = ["InternalIP", "Hostname", "ExternalIP"].into_iter().find_map(of_type);
    let host = host.ok_or_else(|| Status::unavailable(format!("node {node} has not reported an address yet"), 1))?;
    let endpoint = status.and_then(|s| s.get("daemonEndpoints")?.get("kubeletEndpoint")?.get("Port")?.as_u64());
    let port = endpoint.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    Ok((host, port.unwrap_or(KUBELET_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_must_be_named_where_there_are_several() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}]}});
        let pod = pod.as_object().unwrap();
        assert_eq!(container(pod, Some("i")).unwrap(), "i");
        assert!(container(pod, None).unwrap_err().message.contains("[a b]"));
        assert_eq!(container(pod, Some("z")).unwrap_err().code, 400);
    }

    #[test]
    fn log_options_out_of_range_are_invalid() {
        let query = Query::parse("tailLines=-1&limitBytes=0&follow=true");
        let refused = log_options(&query, "p").unwrap_err();
        assert_eq!((refused.code, refused.details.unwrap().causes.len()), (422, 2));
        let options = log_options(&Query::parse("tailLines=5&follow&previous=0"), "p").unwrap();
        assert_eq!(options, [("follow", "true".to_owned()), ("tailLines", "5".to_owned())]);
    }
}
