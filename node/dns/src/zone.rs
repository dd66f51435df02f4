//! What a name in the cluster's zone means, before anything is looked up.

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::ProtoError;
use hickory_proto::rr::Name;

/// The cluster domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    apex: Name,
}

/// A name of the zone, taken apart. Texts are in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    Apex,
    /// `ns.dns.ZONE`, which the SOA names.
    NameServer,
    /// `dns-version.ZONE`
    Version,
    /// `svc.ZONE`, `pod.ZONE`: nothing stands there, but names end with it.
    Branch,
    /// `NAMESPACE.svc.ZONE`, `NAMESPACE.pod.ZONE`
    Namespace(String),
    Service {
        namespace: String,
        service: String,
    },
    /// A port of a service, by `_PORT._PROTOCOL`, without the underscores.
    Port {
        namespace: String,
        service: String,
        port: String,
        protocol: String,
    },
    Endpoint {
        namespace: String,
        service: String,
        hostname: String,
    },
    Pod {
        address: IpAddr,
    },
    /// No name of this form can exist.
    Nothing,
}

impl Zone {
    /// # Errors
    /// The text is no domain name.
    pub fn new(domain: &str) -> Result<Self, ProtoError> {
        let mut apex = Name::from_ascii(domain)?.to_lowercase();
        apex.set_fqdn(true);
        Ok(Self { apex })
    }

    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// `labels` under the zone, as a name.
    ///
    /// # Errors
    /// A label is empty or too long.
    pub fn name(&self, labels: &[&str]) -> Result<Name, ProtoError> {
        Name::from_labels(labels.iter().map(|label| label.as_bytes()))?.append_domain(&self.apex)
    }

    /// `None`: the name is not in the zone.
    pub fn parse(&self, name: &Name) -> Option<Question> {
        if !self.apex.zone_of(name) {
            return None;
        }
        let own = usize::from(name.num_labels() - self.apex.num_labels());
        let labels: Vec<String> =
            name.iter().take(own).map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        Some(question(&labels))
    }
}

fn question(labels: &[&str]) -> Question {
    let text = |label: &&str| (*label).to_owned();
    match labels {
        [] => Question::Apex,
        ["ns", "dns"] => Question::NameServer,
        ["dns-version"] => Question::Version,
        ["svc" | "pod" | "dns"] => Question::Branch,
        [namespace, "svc" | "pod"] => Question::Namespace(text(namespace)),
        [service, namespace, "svc"] => Question::Service { namespace: text(namespace), service: text(service) },
        [hostname, service, namespace, "svc"] => {
            Question::Endpoint { namespace: text(namespace), service: text(service), hostname: text(hostname) }
        }
        [port, protocol, service, namespace, "svc"] => match (port.strip_prefix('_'), protocol.strip_prefix('_')) {
            (Some(port), Some(protocol)) => Question::Port {
                namespace: text(namespace),
                service: text(service),
                port: port.to_owned(),
                protocol: protocol.to_owned(),
            },
            _ => Question::Nothing,
        },
        [dashed, _, "pod"] => dashed_address(dashed).map_or(Question::Nothing, |address| Question::Pod { address }),
        _ => Question::Nothing,
    }
}

/// `10-244-0-5`
fn dashed_address(label: &str) -> Option<IpAddr> {
    label.replace('-', ".").parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// The name of an endpoint that has no hostname.
pub fn dashed(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}

/// The address that a name of `in-addr.arpa` asks about.
pub fn reverse_address(name: &Name) -> Option<IpAddr> {
    let labels: Vec<_> = name.iter().map(|label| std::str::from_utf8(label).unwrap_or_default()).collect();
    let [d, c, b, a, zone, top] = labels.as_slice() else { return None };
    let is_reverse = zone.eq_ignore_ascii_case("in-addr") && top.eq_ignore_ascii_case("arpa");
    let address = format!("{a}.{b}.{c}.{d}");
    is_reverse.then(|| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Option<Question> {
        let zone = Zone::new("cluster.local").expect("a zone");
        zone.parse(&Name::from_ascii(name).expect("a name"))
    }

    #[test]
    fn names_are_taken_apart_whatever_their_case() {
        let service = Question::Service { namespace: "default".into(), service: "web".into() };
        assert_eq!(parse("Web.Default.SVC.cluster.LOCAL."), Some(service));
        assert_eq!(
            parse("10-244-0-5.default.pod.cluster.local."),
            Some(Question::Pod { address: [10, 244, 0, 5].into() })
        );
        assert_eq!(parse("x.y.pod.cluster.local."), Some(Question::Nothing));
        assert_eq!(parse("default.svc.cluster.local."), Some(Question::Namespace("default".into())));
        assert_eq!(parse("example.com."), None);
        assert_eq!(
            parse("example.com.default.svc.cluster.local."),
            Some(Question::Endpoint { namespace: "default".into(), service: "com".into(), hostname: "example".into() })
        );
    }

    #[test]
    fn reverse_names_become_addresses() {
        let address = |name: &str| reverse_address(&Name::from_ascii(name).expect("a name"));
        assert_eq!(address("7.0.96.10.in-addr.arpa."), Some([10, 96, 0, 7].into()));
        assert_eq!(address("0.96.10.in-addr.arpa."), None);
        assert_eq!(address("7.0.96.10.example.arpa."), None);
    }
}
