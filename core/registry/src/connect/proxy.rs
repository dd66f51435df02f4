//! Plain HTTP through the API server to pods, services and nodes.

use gantry_meta::{Object, Status, Value};
use gantry_watch_cache::{ListRequest, Scope};
use rand::seq::IndexedRandom as _;

use super::{kubelet, object};
use crate::{
    failures::list_failed,
    read,
    request::{Connect, Target},
    response::{ApiResponse, ConnectTo, Scheme},
    served::Served,
    state::State,
};

/// `[scheme:]name[:port]`
struct Named<'a> {
    scheme: Scheme,
    name: &'a str,
    port: &'a str,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Result<Self, Status> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return Err(Status::bad_request(format!("invalid proxy name {text:?}: use [scheme:]name[:port]"))),
        };
        let scheme = match scheme {
            "" | "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(Status::bad_request(format!("invalid proxy scheme {other:?}: use http or https"))),
        };
        Ok(Self { scheme, name, port })
    }
}

fn path_and_query(connect: &Connect) -> String {
    let path = if connect.path.is_empty() { "/" } else { &connect.path };
    if connect.query.is_empty() { path.to_owned() } else { format!("{path}?{}", connect.query) }
}

fn answer(scheme: Scheme, host: String, port: u16, connect: &Connect, kubelet: bool) -> ApiResponse {
    ApiResponse::Connect(ConnectTo { scheme, host, port, path_and_query: path_and_query(connect), kubelet })
}

fn text_at<'a>(object: &'a Object, part: &str, member: &str) -> &'a str {
    object.get(part).and_then(|p| p.get(member)).and_then(Value::as_str).unwrap_or_default()
}

pub(super) async fn pod(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let named = Named::parse(&target.name)?;
    let pod = object(state, served, &target.namespace, named.name).await?;
    let ip = text_at(&pod, "status", "podIP");
    if ip.is_empty() {
        return Err(Status::bad_request(format!("pod {} has no address yet", named.name)));
    }
    let port = match named.port {
        "" => first_container_port(&pod).unwrap_or(80),
        text => text.parse().map_err(|_| Status::bad_request(format!("invalid port {text:?}")))?,
    };
    Ok(answer(named.scheme, ip.to_owned(), port, connect, false))
}

fn first_container_port(pod: &Object) -> Option<u16> {
    let containers = pod.get("spec")?.get("containers")?.as_array()?;
    let ports = containers.iter().filter_map(|c| c.get("ports")?.as_array()).flatten();
    ports.filter_map(|port| port.get("containerPort")?.as_u64()).next()?.try_into().ok()
}

pub(super) async fn node(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let named = Named::parse(&target.name)?;
    let (host, own_port) = kubelet::address(state, served, named.name).await?;
    let port = match named.port {
        "" => own_port,
        text => text.parse().map_err(|_| Status::bad_request(format!("invalid port {text:?}")))?,
    };
    Ok(answer(Scheme::Https, host, port, connect, true))
}

/// One of the service's ready endpoints, chosen at random.
pub(super) async fn service(
    state: &State,
    served: &Served,
    target: &Target,
    connect: &Connect,
) -> Result<ApiResponse, Status> {
    let named = Named::parse(&target.name)?;
    let service = object(state, served, &target.namespace, named.name).await?;
    let port_name = port_name(&service, named.port)?;
    let slices = state.served.preferred("discovery.k8s.io", "endpointslices");
    let slices = slices.ok_or_else(|| Status::internal("endpoint slices are not served"))?;
    let request = ListRequest::new(Scope::Namespace(target.namespace.as_str().into()));
    let page = state.cache.list(&slices.prefix, &request).map_err(list_failed)?;
    let of_service = page.objects.iter().filter(|s| s.labels().get("kubernetes.io/service-name") == Some(named.name));
    let endpoints: Vec<(String, u16)> =
        of_service.flat_map(|slice| ready_endpoints(&read::served_tree(slices, slice), &port_name)).collect();
    match endpoints.choose(&mut rand::rng()) {
        Some((host, port)) => Ok(answer(named.scheme, host.clone(), *port, connect, false)),
        None => Err(Status::unavailable(format!("no endpoints available for service {:?}", named.name), 1)),
    }
}

/// The name of the service port that is meant: by name or number, or the only one.
fn port_name(service: &Object, wanted: &str) -> Result<String, Status> {
    let ports = service.get("spec").and_then(|spec| spec.get("ports")).and_then(Value::as_array);
    let name = |port: &Value| port.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fits = |port: &&Value| {
        wanted.is_empty() || name(port) == wanted || port.get("port").map(Value::to_string).as_deref() == Some(wanted)
    };
    let found = ports.into_iter().flatten().find(fits).map(name);
    found.ok_or_else(|| Status::unavailable(format!("no service port {wanted:?} found"), 1))
}

fn ready_endpoints(slice: &Object, port_name: &str) -> Vec<(String, u16)> {
    let list = |member: &str| slice.get(member).and_then(Value::as_array).into_iter().flatten();
    let is_meant = |port: &&Value| port.get("name").and_then(Value::as_str).unwrap_or_default() == port_name;
    let Some(port) = list("ports").find(is_meant).and_then(|port| port.get("port")?.as_u64()?.try_into().ok()) else {
        return Vec::new();
    };
    let ready = |e: &&Value| e.get("conditions").and_then(|c| c.get("ready")).and_then(Value::as_bool).unwrap_or(true);
    let address = |e: &Value| e.get("addresses")?.get(0)?.as_str().map(|address| (address.to_owned(), port));
    list("endpoints").filter(ready).filter_map(address).collect()
}
