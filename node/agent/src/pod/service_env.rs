//! Service links: for every Service that a pod can see, the variables that docker links once gave.

use k8s_openapi::api::core::v1::{Service, ServicePort};

/// The variables of the given services (those of the pod's namespace, and `kubernetes` of the default one).
pub fn variables<'a>(services: impl IntoIterator<Item = (&'a str, &'a Service)>) -> Vec<(String, String)> {
    let mut services: Vec<_> = services.into_iter().collect();
    services.sort_by_key(|(name, _)| *name);
    services.into_iter().flat_map(|(name, service)| of_service(name, service)).collect()
}

fn of_service(name: &str, service: &Service) -> Vec<(String, String)> {
    let spec = service.spec.clone().unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let address = spec.cluster_ip.filter(|ip| !ip.is_empty() && ip != "None");
    let (Some(address), Some(first)) = (address, ports.first()) else { return Vec::new() };
    let prefix = name.to_uppercase().replace('-', "_");
    let mut out = vec![
        (format!("{prefix}_SERVICE_HOST"), address.clone()),
        (format!("{prefix}_SERVICE_PORT"), first.port.to_string()),
    ];
    for port in &ports {
        if let Some(port_name) = port.name.as_ref().filter(|name| !name.is_empty()) {
            let suffix = port_name.to_uppercase().replace('-', "_");
            out.push((format!("{prefix}_SERVICE_PORT_{suffix}"), port.port.to_string()));
        }
    }
    out.push((format!("{prefix}_PORT"), url(&address, first)));
    out.extend(ports.iter().flat_map(|port| of_port(&prefix, &address, port)));
    out
}

fn url(address: &str, port: &ServicePort) -> String {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    format!("{}://{host}:{}", protocol(port).to_lowercase(), port.port)
}

fn protocol(port: &ServicePort) -> &str {
    port.protocol.as_deref().unwrap_or("TCP")
}

fn of_port(prefix: &str, address: &str, port: &ServicePort) -> [(String, String); 4] {
    let protocol = protocol(port);
    let prefix = format!("{prefix}_PORT_{}_{protocol}", port.port);
    [
        (prefix.clone(), url(address, port)),
        (format!("{prefix}_PROTO"), protocol.to_lowercase()),
        (format!("{prefix}_PORT"), port.port.to_string()),
        (format!("{prefix}_ADDR"), address.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_gives_host_port_and_link_variables_and_a_headless_one_none() {
        let service = |ip: &str| -> Service {
            let text = format!(r#"{{"spec":{{"clusterIP":"{ip}","ports":[{{"name":"http","port":80}}]}}}}"#);
            serde_json::from_str(&text).expect("a service")
        };
        let (web, headless) = (service("10.0.0.5"), service("None"));
        let env = variables([("my-web", &web), ("a", &headless)]);
        let read = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(read("MY_WEB_SERVICE_HOST"), Some("10.0.0.5"));
        assert_eq!(read("MY_WEB_SERVICE_PORT_HTTP"), Some("80"));
        assert_eq!(read("MY_WEB_PORT_80_TCP"), Some("tcp://10.0.0.5:80"));
        assert_eq!(env.len(), 8);
    }
}
