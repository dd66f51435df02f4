//! What the cluster knows of a question.

use std::net::IpAddr;
use std::sync::Arc;

use gantry_meta::GroupVersionResource;
use gantry_plugin::rule_ir::Protocol;
use gantry_plugin::service_rules::{Endpoint, EndpointSlice, Service};
use gantry_runtime::{Cache, Cached, ListOptions, ObjectSource, inform};
use hickory_proto::ProtoError;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio_util::sync::CancellationToken;

use crate::zone::{Question, Zone, dashed};

/// Seconds that an answer may be kept.
const TTL: u32 = 5;
/// The version of the naming scheme that we follow.
const SCHEMA_VERSION: &str = "1.1.0";

/// What is to be answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    Records {
        answers: Vec<Record>,
        additionals: Vec<Record>,
    },
    /// The name stands for another one, which may be anywhere.
    Alias {
        alias: Box<Record>,
        target: Name,
    },
    /// The name exists, without such records.
    NoData,
    NoSuchName,
}

/// Services and endpoints, kept up to date.
pub struct ClusterRecords {
    services: Arc<Cache<Service>>,
    slices: Arc<Cache<EndpointSlice>>,
    zone: Zone,
}

const BY_NAMESPACE: &str = "namespace";
const BY_ADDRESS: &str = "address";
const BY_SERVICE: &str = "service";

fn service_cache() -> Cache<Service> {
    Cache::new()
        .with_index(BY_NAMESPACE, |service: &Cached<Service>| vec![service.key.namespace.to_string()])
        .with_index(BY_ADDRESS, |service: &Cached<Service>| vec![service.spec.cluster_ip.clone()])
}

fn slice_cache() -> Cache<EndpointSlice> {
    let addresses = |slice: &Cached<EndpointSlice>| slice.endpoints.iter().flat_map(|e| e.addresses.clone()).collect();
    Cache::new()
        .with_index(BY_SERVICE, |slice: &Cached<EndpointSlice>| {
            vec![service_key(&slice.key.namespace, slice.service_name())]
        })
        .with_index(BY_ADDRESS, addresses)
}

fn service_key(namespace: &str, service: &str) -> String {
    format!("{namespace}/{service}")
}

/// One endpoint as DNS sees it.
struct Named {
    label: String,
    address: IpAddr,
}

impl ClusterRecords {
    /// Follows the cluster until `stop`.
    pub fn follow(zone: Zone, source: &Arc<dyn ObjectSource>, stop: &CancellationToken) -> Self {
        let services = GroupVersionResource::new("", "v1", "services");
        let slices = GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices");
        let all = ListOptions::default();
        Self {
            services: inform(source.clone(), services, all.clone(), service_cache(), stop.clone()),
            slices: inform(source.clone(), slices, all, slice_cache(), stop.clone()),
            zone,
        }
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether absence means anything yet.
    pub fn is_complete(&self) -> bool {
        self.services.has_synced() && self.slices.has_synced()
    }

    /// Resolves when [`Self::is_complete`] holds.
    pub async fn wait_complete(&self) {
        self.services.wait_synced().await;
        self.slices.wait_synced().await;
    }

    /// The zone's SOA: whose minimum says how long an absence may be remembered.
    ///
    /// # Errors
    /// The zone's name is so long that none fits under it.
    pub fn soa(&self) -> Result<Record, ProtoError> {
        let (server, person) = (self.zone.name(&["ns", "dns"])?, self.zone.name(&["hostmaster"])?);
        let soa = SOA::new(server, person, 1, 7200, 1800, 86_400, TTL);
        Ok(Record::from_rdata(self.zone.apex().clone(), TTL, RData::SOA(soa)))
    }

    /// Answers a question about a name of the zone.
    ///
    /// # Errors
    /// A name to be answered would be too long.
    pub fn lookup(&self, name: &Name, question: &Question, record_type: RecordType) -> Result<Answer, ProtoError> {
        match question {
            Question::Apex => {
                let soa = self.soa()?;
                Ok(only(record_type == RecordType::SOA, || vec![soa]))
            }
            Question::NameServer | Question::Branch => Ok(Answer::NoData),
            Question::Version => {
                let text = RData::TXT(TXT::new(vec![SCHEMA_VERSION.to_owned()]));
                Ok(only(record_type == RecordType::TXT, || vec![Record::from_rdata(name.clone(), TTL, text)]))
            }
            Question::Namespace(namespace) => {
                let known = !self.services.indexed(BY_NAMESPACE, namespace).is_empty();
                Ok(if known { Answer::NoData } else { Answer::NoSuchName })
            }
            Question::Service { namespace, service } => self.service(name, namespace, service, record_type),
            Question::Port { namespace, service, port, protocol } => {
                self.port(name, namespace, service, (port, protocol), record_type)
            }
            Question::Endpoint { namespace, service, hostname } => {
                Ok(self.endpoint(name, namespace, service, hostname, record_type))
            }
            Question::Pod { address } => Ok(addresses(name, &[*address], record_type)),
            Question::Nothing => Ok(Answer::NoSuchName),
        }
    }

    /// The name that an address has: of a service, else of an endpoint of a headless one.
    ///
    /// # Errors
    /// A name to be answered would be too long.
    pub fn reverse(&self, name: &Name, address: IpAddr, record_type: RecordType) -> Result<Answer, ProtoError> {
        let mut names = Vec::new();
        for service in self.services.indexed(BY_ADDRESS, &address.to_string()) {
            names.push(self.zone.name(&[&service.key.name, &service.key.namespace, "svc"])?);
        }
        if names.is_empty() {
            for slice in self.slices.indexed(BY_ADDRESS, &address.to_string()) {
                names.extend(self.endpoint_names(&slice, address)?);
            }
        }
        if names.is_empty() {
            return Ok(Answer::NoSuchName);
        }
        let record = |target| Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(target)));
        Ok(only(record_type == RecordType::PTR, || names.into_iter().map(record).collect()))
    }

    fn endpoint_names(&self, slice: &Cached<EndpointSlice>, address: IpAddr) -> Result<Vec<Name>, ProtoError> {
        let (namespace, service) = (&slice.key.namespace, slice.service_name());
        if service.is_empty() {
            return Ok(Vec::new());
        }
        let named = slice.endpoints.iter().filter_map(named).filter(|named| named.address == address);
        named.map(|named| self.zone.name(&[&named.label, service, namespace, "svc"])).collect()
    }

    fn service(
        &self,
        name: &Name,
        namespace: &str,
        service: &str,
        record_type: RecordType,
    ) -> Result<Answer, ProtoError> {
        let Some(found) = self.services.get(namespace, service) else { return Ok(Answer::NoSuchName) };
        if found.spec.r#type == "ExternalName" {
            return alias(name, &found.spec.external_name);
        }
        if record_type == RecordType::SRV {
            return self.srv(name, &found, |_, _| true);
        }
        let here: Vec<IpAddr> = match found.spec.cluster_ip.parse() {
            Ok(address) => vec![address],
            Err(_) => self.endpoints(namespace, service).into_iter().map(|named| named.address).collect(),
        };
        // Without endpoints a headless service has no name either: clients shall keep trying, and CoreDNS says so too.
        Ok(if here.is_empty() { Answer::NoSuchName } else { addresses(name, &here, record_type) })
    }

    fn port(
        &self,
        name: &Name,
        namespace: &str,
        service: &str,
        (port, protocol): (&str, &str),
        record_type: RecordType,
    ) -> Result<Answer, ProtoError> {
        let Some(found) = self.services.get(namespace, service) else { return Ok(Answer::NoSuchName) };
        let srv = self.srv(name, &found, |n, p| n.eq_ignore_ascii_case(port) && protocol_name(p) == protocol)?;
        match (&srv, record_type) {
            (Answer::NoSuchName, _) | (_, RecordType::SRV) => Ok(srv),
            _ => Ok(Answer::NoData),
        }
    }

    /// SRV records of the ports that are wanted, with the addresses of their targets.
    fn srv(
        &self,
        name: &Name,
        service: &Cached<Service>,
        wanted: impl Fn(&str, Protocol) -> bool,
    ) -> Result<Answer, ProtoError> {
        let (namespace, label) = (&service.key.namespace, &service.key.name);
        let mut targets: Vec<(u16, Name, IpAddr)> = Vec::new();
        if let Ok(address) = service.spec.cluster_ip.parse() {
            let target = self.zone.name(&[label, namespace, "svc"])?;
            let ports = service.spec.ports.iter().filter(|port| wanted(&port.name, port.protocol));
            targets.extend(ports.map(|port| (port.port, target.clone(), address)));
        } else {
            for slice in self.slices.indexed(BY_SERVICE, &service_key(namespace, label)) {
                let matches = |p: &&gantry_plugin::service_rules::EndpointPort| {
                    wanted(p.name.as_deref().unwrap_or_default(), p.protocol.unwrap_or(Protocol::Tcp))
                };
                for port in slice.ports.iter().filter(matches).filter_map(|port| port.port) {
                    for endpoint in slice.endpoints.iter().filter(|e| e.is_ready()).filter_map(named) {
                        let target = self.zone.name(&[&endpoint.label, label, namespace, "svc"])?;
                        targets.push((port, target, endpoint.address));
                    }
                }
            }
        }
        Ok(srv_answer(name, &targets))
    }

    fn endpoint(&self, name: &Name, namespace: &str, service: &str, hostname: &str, record_type: RecordType) -> Answer {
        let all = self.endpoints(namespace, service).into_iter().filter(|named| named.label == hostname);
        let here: Vec<_> = all.map(|named| named.address).collect();
        if here.is_empty() { Answer::NoSuchName } else { addresses(name, &here, record_type) }
    }

    fn endpoints(&self, namespace: &str, service: &str) -> Vec<Named> {
        let slices = self.slices.indexed(BY_SERVICE, &service_key(namespace, service));
        let mut all: Vec<_> =
            slices.iter().flat_map(|slice| &slice.endpoints).filter(|e| e.is_ready()).filter_map(named).collect();
        all.sort_by_key(|named| named.address);
        all.dedup_by_key(|named| named.address);
        all
    }
}

fn named(endpoint: &Endpoint) -> Option<Named> {
    let address = endpoint.address()?;
    let label = endpoint.hostname.as_ref().filter(|name| !name.is_empty()).cloned();
    Some(Named { label: label.unwrap_or_else(|| dashed(address)), address })
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

fn only(has_type: bool, records: impl FnOnce() -> Vec<Record>) -> Answer {
    if has_type { Answer::Records { answers: records(), additionals: Vec::new() } } else { Answer::NoData }
}

fn alias(name: &Name, external: &str) -> Result<Answer, ProtoError> {
    let mut target = Name::from_ascii(external)?;
    target.set_fqdn(true);
    let alias = Record::from_rdata(name.clone(), TTL, RData::CNAME(CNAME(target.clone())));
    Ok(Answer::Alias { alias: Box::new(alias), target })
}

fn address_record(name: &Name, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name.clone(), TTL, data)
}

/// Those of the family asked for.
fn addresses(name: &Name, all: &[IpAddr], record_type: RecordType) -> Answer {
    let wanted = |record: &Record| record.record_type() == record_type || record_type == RecordType::ANY;
    let answers: Vec<_> = all.iter().map(|address| address_record(name, *address)).filter(wanted).collect();
    if answers.is_empty() { Answer::NoData } else { Answer::Records { answers, additionals: Vec::new() } }
}

/// All targets are equally good: the weight is shared.
fn srv_answer(name: &Name, targets: &[(u16, Name, IpAddr)]) -> Answer {
    if targets.is_empty() {
        return Answer::NoSuchName;
    }
    let weight = u16::try_from((100 / targets.len()).max(1)).unwrap_or(1);
    let srv = |(port, target, _): &(u16, Name, IpAddr)| {
        Record::from_rdata(name.clone(), TTL, RData::SRV(SRV::new(0, weight, *port, target.clone())))
    };
    let mut additionals: Vec<_> = targets.iter().map(|(_, target, address)| address_record(target, *address)).collect();
    additionals.dedup();
    Answer::Records { answers: targets.iter().map(srv).collect(), additionals }
}
