//! Claims of services: found, written into the object, committed with it.

use std::{collections::HashSet, sync::Arc};

use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Status, Value};
use gantry_storage::{ClaimChange, CommitError, Expect};
use gantry_watch_cache::{CachedObject, ListRequest, Scope};

use super::{POOL_CLUSTER_IPS, POOL_NODE_PORTS, PoolClaim, ServicePools, ServiceTypes, pool};
use crate::{
    failures::{lagging, list_failed},
    served::Served,
    write::{Accepted, Along, Write},
};

/// A commit that finds its values taken is tried again with others this many times.
const MAX_TRIES: usize = 16;

/// Values by pool.
pub(super) type Taken = HashSet<(String, String)>;

pub(crate) struct ServiceClaims {
    types: Arc<dyn ServiceTypes>,
    pub(super) pools: ServicePools,
}

impl ServiceClaims {
    pub fn new(types: Arc<dyn ServiceTypes>, pools: ServicePools) -> Self {
        Self { types, pools }
    }

    /// What the types demand, or why they refuse (422).
    async fn wanted(&self, served: &Served, old: Option<&Object>, new: &Object) -> Result<Vec<PoolClaim>, Status> {
        let mut causes = self.impossible_ports(new);
        if causes.is_empty() {
            causes = self.types.validate(old, new).await?;
        }
        if causes.is_empty() {
            let claims = self.types.allocate(old, new).await?;
            let refused = claims.iter().filter(|claim| !claim.want.is_empty());
            causes.extend(refused.filter_map(|claim| self.pools.refuse(&claim.pool, &claim.want, &field_of(claim))));
            if causes.is_empty() {
                return Ok(claims);
            }
        }
        Err(served.invalid(new.name(), causes))
    }

    /// Node ports that are no ports: types read those that are.
    fn impossible_ports(&self, new: &Object) -> Vec<Cause> {
        let ports = new.get("spec").and_then(|spec| spec.get("ports")?.as_array()).into_iter().flatten();
        let node_ports = ports.map(|port| port.get("nodePort").and_then(Value::as_i64).unwrap_or_default());
        let impossible = node_ports.enumerate().filter(|(_, port)| u16::try_from(*port).is_err());
        let field = |index| FieldPath::of("spec.ports").index(index).field("nodePort");
        impossible
            .filter_map(|(index, port)| self.pools.refuse(POOL_NODE_PORTS, &port.to_string(), &field(index)))
            .collect()
    }
}

/// The field that a refusal of a claim names.
fn field_of(claim: &PoolClaim) -> FieldPath {
    if claim.pool == POOL_CLUSTER_IPS {
        return FieldPath::of("spec.clusterIPs");
    }
    let pointer = claim.fields.first().map(String::as_str).unwrap_or_default();
    pointer.split('/').skip(1).fold(FieldPath::root(), |path, part| match part.parse() {
        Ok(index) => path.index(index),
        Err(_) => path.field(part),
    })
}

/// The addresses that a service has or asks for; of a headless one and of an external name, none.
pub(super) fn cluster_ips(service: &Object) -> Vec<&str> {
    let Some(spec) = service.get("spec").filter(|spec| spec["type"] != "ExternalName") else { return Vec::new() };
    let ips = spec.get("clusterIPs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    ips.filter(|ip| !matches!(*ip, "None" | "")).collect()
}

/// The values that a stored service has.
pub(super) fn claimed(service: &Object) -> Vec<(String, String)> {
    let Some(spec) = service.get("spec").and_then(Value::as_object) else { return Vec::new() };
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return Vec::new();
    }
    let addresses = cluster_ips(service).into_iter().map(|ip| (POOL_CLUSTER_IPS.to_owned(), ip.to_owned()));
    let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
    let ports = ports.filter_map(|port| port.get("nodePort").and_then(Value::as_u64)).filter(|port| *port != 0);
    let health = spec.get("healthCheckNodePort").and_then(Value::as_u64).filter(|port| *port != 0);
    let ports = ports.chain(health).map(|port| (POOL_NODE_PORTS.to_owned(), port.to_string()));
    addresses.chain(ports).collect()
}

/// Writes a value at a JSON pointer; lists grow by one where the pointer names their end.
fn write_at(object: &mut Object, pointer: &str, value: Value) {
    let mut parts = pointer.split('/').skip(1).peekable();
    let Some(first) = parts.next() else { return };
    let mut at = object.entry(first).or_insert(Value::Null);
    for part in parts {
        at = match part.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let items = at.as_array_mut().expect("made a list just above");
                if items.len() <= index {
                    items.resize(index + 1, Value::Null);
                }
                &mut items[index]
            }
            Err(_) => {
                if !at.is_object() {
                    *at = Value::Object(Object::new());
                }
                at.as_object_mut().expect("made an object just above").entry(part).or_insert(Value::Null)
            }
        };
    }
    *at = value;
}

/// What is to change so that the object has exactly `values`.
fn changes(old: Option<&Object>, values: &[(String, String)]) -> Vec<ClaimChange> {
    let before = old.map(claimed).unwrap_or_default();
    let taken = values.iter().filter(|value| !before.contains(value)).cloned();
    let given_back = before.iter().filter(|value| !values.contains(value)).cloned();
    taken
        .map(|(pool, value)| ClaimChange::Take { pool, value })
        .chain(given_back.map(|(pool, value)| ClaimChange::Release { pool, value }))
        .collect()
}

impl Write<'_> {
    pub(super) fn claims_values(&self) -> bool {
        self.served.resource.group.is_empty()
            && self.served.resource.plural == "services"
            && self.subresource.is_empty()
    }

    /// Commits the object with the values that its type needs, and the objects that stand for them. Only services need any.
    pub async fn put_claiming(
        &self,
        accepted: Accepted,
        old: Option<&Object>,
        expect: Expect,
    ) -> Result<Result<Arc<CachedObject>, CommitError>, Status> {
        if !self.claims_values() {
            return Ok(self.put(accepted, expect, Along::default()).await);
        }
        let claims = self.wanted(old, accepted.object()).await?;
        let mut taken = Taken::new();
        for _ in 0..MAX_TRIES {
            let values = self.choose(&claims, &taken, accepted.object())?;
            let filled = accepted.clone().with_claimed(|object| fill(object, &claims, &values));
            let objects = self.addresses_along(old, Some(filled.object()));
            let along = Along { claims: changes(old, &values), objects };
            let (pool, value) = match self.put(filled, expect, along).await {
                Err(CommitError::ClaimTaken { pool, value, .. }) => (pool, value),
                Err(CommitError::CompanionConflict { key, .. }) => {
                    self.state.cache.consistent(self.served.shard).await.map_err(|error| lagging(&error))?;
                    (POOL_CLUSTER_IPS.to_owned(), key.name().to_owned())
                }
                Err(conflict @ CommitError::Conflict { .. }) if old.is_none() => {
                    // Who asks for what is taken is told of that, not of the name.
                    self.check_stated(accepted.object(), None)?;
                    return Ok(Err(conflict));
                }
                done => return Ok(done),
            };
            self.refuse_if_wanted(&claims, &pool, &value, accepted.object())?;
            // Most tries find something free at once: what others have is looked up once one did not.
            if taken.is_empty() {
                taken = self.taken_by_others()?;
            }
            taken.insert((pool, value));
        }
        Err(Status::unavailable("no free address or port was found in time, try again", 1))
    }

    /// As [`ServiceClaims::wanted`]; values that cannot be had are told in the order in which they are taken.
    async fn wanted(&self, old: Option<&Object>, new: &Object) -> Result<Vec<PoolClaim>, Status> {
        match self.state.service_claims.wanted(self.served, old, new).await {
            Err(refusal) => self.check_stated(new, old).and(Err(refusal)),
            wanted => wanted,
        }
    }

    /// What a dry run shows.
    pub async fn fill_without_claiming(&self, accepted: Accepted, old: Option<&Object>) -> Result<Accepted, Status> {
        if !self.claims_values() {
            return Ok(accepted);
        }
        let service_claims = &self.state.service_claims;
        let claims = self.wanted(old, accepted.object()).await?;
        let mut index = 0;
        let mut value_of = |claim: &PoolClaim| match claim.want.as_str() {
            "" => {
                index += 1;
                service_claims.pools.placeholder(&claim.pool, index - 1)
            }
            wanted => wanted.to_owned(),
        };
        let values: Vec<_> = claims.iter().map(|claim| (claim.pool.clone(), value_of(claim))).collect();
        Ok(accepted.with_claimed(|object| fill(object, &claims, &values)))
    }

    /// What a deleted object gives back.
    pub fn given_back(&self, old: &Object) -> Along {
        if !self.claims_values() {
            return Along::default();
        }
        Along { claims: changes(Some(old), &[]), objects: self.addresses_along(Some(old), None) }
    }

    /// Values known to be in use.
    pub(super) fn taken_by_others(&self) -> Result<Taken, Status> {
        let page = self.state.cache.list(&self.served.prefix, &ListRequest::new(Scope::All)).map_err(list_failed)?;
        Ok(page.objects.iter().flat_map(|service| claimed(&crate::read::served_tree(self.served, service))).collect())
    }

    fn choose(&self, claims: &[PoolClaim], taken: &Taken, object: &Object) -> Result<Vec<(String, String)>, Status> {
        let mut chosen: Vec<(String, String)> = Vec::with_capacity(claims.len());
        for claim in claims {
            let is_taken = |value: &str| {
                let pair = (claim.pool.clone(), value.to_owned());
                let has_object = claim.pool == POOL_CLUSTER_IPS && self.is_address_taken(value);
                has_object || taken.contains(&pair) || chosen.contains(&pair)
            };
            let value = match claim.want.as_str() {
                "" => self.state.service_claims.pools.any(&claim.pool, is_taken),
                wanted => Some(wanted.to_owned()),
            };
            let Some(value) = value else {
                return Err(self.refused(object, Cause::invalid(&field_of(claim), "the range is full")));
            };
            chosen.push((claim.pool.clone(), value));
        }
        Ok(chosen)
    }

    fn refuse_if_wanted(&self, claims: &[PoolClaim], pool: &str, value: &str, object: &Object) -> Result<(), Status> {
        match claims.iter().find(|claim| claim.pool == pool && claim.want == value) {
            None => Ok(()),
            Some(claim) => Err(self.refused(object, pool::allocated(pool, value, &field_of(claim)))),
        }
    }

    pub(super) fn refused(&self, object: &Object, cause: Cause) -> Status {
        self.served.invalid(object.name(), vec![cause])
    }
}

fn fill(object: &mut Object, claims: &[PoolClaim], values: &[(String, String)]) {
    for (claim, (pool, value)) in claims.iter().zip(values) {
        claim.fields.iter().for_each(|pointer| write_at(object, pointer, pool::to_json(pool, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_where_the_claim_says() {
        let mut service = json!({"spec": {"ports": [{"port": 80}, {"port": 81}]}}).as_object().unwrap().clone();
        let claim = |pool: &str, fields: &[&str]| PoolClaim {
            pool: pool.into(),
            want: String::new(),
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
        };
        let claims = [
            claim(POOL_CLUSTER_IPS, &["/spec/clusterIP", "/spec/clusterIPs/0"]),
            claim(POOL_NODE_PORTS, &["/spec/ports/1/nodePort"]),
        ];
        let values =
            [(POOL_CLUSTER_IPS.to_owned(), "10.96.0.9".to_owned()), (POOL_NODE_PORTS.to_owned(), "30001".to_owned())];
        fill(&mut service, &claims, &values);
        assert_eq!(service["spec"]["clusterIPs"], json!(["10.96.0.9"]));
        assert_eq!(service["spec"]["ports"][1]["nodePort"], 30001);
        assert_eq!(claimed(&service), values);
        assert_eq!(field_of(&claims[1]).as_str(), "spec.ports[1].nodePort");
    }

    #[test]
    fn an_update_gives_back_what_it_no_longer_needs() {
        let old = json!({"spec": {"clusterIPs": ["10.96.0.9"], "ports": [{"nodePort": 30001}]}});
        let kept = [(POOL_CLUSTER_IPS.to_owned(), "10.96.0.9".to_owned())];
        let released = ClaimChange::Release { pool: POOL_NODE_PORTS.into(), value: "30001".into() };
        assert_eq!(changes(old.as_object(), &kept), [released]);
    }
}
