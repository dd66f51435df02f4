//! Where a probe or hook connects to.

use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// An HTTP request of a probe or hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpTarget {
    pub is_https: bool,
    /// Where to connect.
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// Headers in order; names may repeat.
    pub headers: Vec<(String, String)>,
}

/// A port by number, or by the name that the container gives it.
pub fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => named_port(name, container).or_else(|| name.parse().ok()),
    };
    let number = number.ok_or_else(|| format!("couldn't find port {port:?}"))?;
    u16::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| format!("invalid port number: {number}"))
}

fn named_port(name: &str, container: &Container) -> Option<i32> {
    let ports = container.ports.iter().flatten();
    ports.into_iter().find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
}

pub fn http_target(get: &HTTPGetAction, container: &Container, pod_ip: &str) -> Result<HttpTarget, String> {
    let path = get.path.as_deref().unwrap_or("/");
    let headers = get.http_headers.iter().flatten();
    Ok(HttpTarget {
        is_https: get.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        host: get.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| pod_ip.to_owned()),
        port: port(&get.port, container)?,
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        headers: headers.map(|header| (header.name.clone(), header.value.clone())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_by_name_or_number() {
        let container: Container =
            serde_json::from_str(r#"{"name":"a","ports":[{"name":"web","containerPort":8080}]}"#).expect("a container");
        assert_eq!(port(&IntOrString::String("web".into()), &container), Ok(8080));
        assert_eq!(port(&IntOrString::String("81".into()), &container), Ok(81));
        assert_eq!(port(&IntOrString::Int(82), &container), Ok(82));
        assert!(port(&IntOrString::String("none".into()), &container).is_err());
        assert!(port(&IntOrString::Int(0), &container).is_err());
    }
}
