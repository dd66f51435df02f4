//! Claims of services: found, written into the object, committed with it.

use std::{collections::HashSet, sync::Arc};

use gantry_meta::{Cause, FieldPath, Object, ObjectView as _, Status, Value};
use gantry_storage::{ClaimChange, CommitError, Expect};
use gantry_watch_cache::{CachedObject, ListRequest, Scope};

use super::{POOL_CLUSTER_IPS, POOL_NODE_PORTS, PoolClaim, ServicePools, ServiceTypes, pool};
use crate::{
    failures::list_failed,
    served::Served,
    write::{Accepted, Write},
};

/// A commit that finds its values taken is tried again with others this many times.
const MAX_TRIES: usize = 16;

type Taken = HashSet<(String, String)>;

pub(crate) struct ServiceClaims {
    types: Arc<dyn ServiceTypes>,
    pools: ServicePools,
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

/// The values that a stored service has.
fn claimed(service: &Object) -> Vec<(String, String)> {
    let Some(spec) = service.get("spec").and_then(Value::as_object) else { return Vec::new() };
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return Vec::new();
    }
    let addresses = spec.get("clusterIPs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let addresses = addresses.filter(|ip| *ip != "None").map(|ip| (POOL_CLUSTER_IPS.to_owned(), ip.to_owned()));
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
    fn claims_values(&self) -> bool {
        self.served.resource.group.is_empty()
            && self.served.resource.plural == "services"
            && self.subresource.is_empty()
    }

    /// Commits the object with the values that its type needs. Only services need any.
    pub async fn put_claiming(
        &self,
        accepted: Accepted,
        old: Option<&Object>,
        expect: Expect,
    ) -> Result<Result<Arc<CachedObject>, CommitError>, Status> {
        if !self.claims_values() {
            return Ok(self.put(accepted, expect, Vec::new()).await);
        }
        let claims = self.state.service_claims.wanted(self.served, old, accepted.object()).await?;
        let picks = claims.iter().any(|claim| claim.want.is_empty());
        let mut taken = if picks { self.taken_by_others()? } else { Taken::new() };
        for _ in 0..MAX_TRIES {
            let values = self.choose(&claims, &taken, accepted.object())?;
            let filled = accepted.clone().with_claimed(|object| fill(object, &claims, &values));
            match self.put(filled, expect, changes(old, &values)).await {
                Err(CommitError::ClaimTaken { pool, value, .. }) => {
                    self.refuse_if_wanted(&claims, &pool, &value, accepted.object())?;
                    taken.insert((pool, value));
                }
                done => return Ok(done),
            }
        }
        Err(Status::unavailable("no free address or port was found in time, try again", 1))
    }

    /// What a dry run shows.
    pub async fn fill_without_claiming(&self, accepted: Accepted, old: Option<&Object>) -> Result<Accepted, Status> {
        if !self.claims_values() {
            return Ok(accepted);
        }
        let service_claims = &self.state.service_claims;
        let claims = service_claims.wanted(self.served, old, accepted.object()).await?;
        self.refuse_what_others_have(&claims, old, accepted.object())?;
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

    /// A dry run takes nothing, so that no commit finds out what others have.
    fn refuse_what_others_have(&self, claims: &[PoolClaim], old: Option<&Object>, new: &Object) -> Result<(), Status> {
        let own = old.map(claimed).unwrap_or_default();
        let is_new = |claim: &&PoolClaim| {
            !claim.want.is_empty() && !own.iter().any(|(pool, value)| (pool, value) == (&claim.pool, &claim.want))
        };
        if !claims.iter().any(|claim| is_new(&claim)) {
            return Ok(());
        }
        let taken = self.taken_by_others()?;
        let is_taken = |claim: &&PoolClaim| taken.contains(&(claim.pool.clone(), claim.want.clone()));
        match claims.iter().filter(is_new).find(is_taken) {
            None => Ok(()),
            Some(claim) => self.refuse_if_wanted(claims, &claim.pool, &claim.want, new),
        }
    }

    /// What a deleted object gives back.
    pub fn claims_released(&self, old: &Object) -> Vec<ClaimChange> {
        if self.claims_values() { changes(Some(old), &[]) } else { Vec::new() }
    }

    /// Values known to be in use.
    fn taken_by_others(&self) -> Result<Taken, Status> {
        let page = self.state.cache.list(&self.served.prefix, &ListRequest::new(Scope::All)).map_err(list_failed)?;
        Ok(page.objects.iter().flat_map(|service| claimed(&crate::read::served_tree(self.served, service))).collect())
    }

    fn choose(&self, claims: &[PoolClaim], taken: &Taken, object: &Object) -> Result<Vec<(String, String)>, Status> {
        let mut chosen: Vec<(String, String)> = Vec::with_capacity(claims.len());
        for claim in claims {
            let is_taken = |value: &str| {
                let pair = (claim.pool.clone(), value.to_owned());
                taken.contains(&pair) || chosen.contains(&pair)
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
            Some(claim) => {
                let why = format!("{value} is already allocated");
                Err(self.refused(object, Cause::invalid(&field_of(claim), why)))
            }
        }
    }

    fn refused(&self, object: &Object, cause: Cause) -> Status {
        let resource = &self.served.resource;
        Status::invalid(&resource.group, &resource.kind, object.name(), vec![cause])
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
