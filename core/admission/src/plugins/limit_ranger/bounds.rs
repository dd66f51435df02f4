//! What a limit range lets nobody exceed.

use gantry_kinds::{
    FieldName, Members as _,
    fields::core_v1::{LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec, ResourceRequirements},
};
use gantry_meta::{Object, quantity::Quantity};

use super::{
    demand::{self, Amounts},
    items,
};

const REQUESTS: FieldName = ResourceRequirements::REQUESTS;
const LIMITS: FieldName = ResourceRequirements::LIMITS;

/// What of a pod is out of bounds, one text each.
pub(super) fn of_pod(pod: &Object, range: &Object) -> Vec<String> {
    let mut broken = Vec::new();
    let lists = pod.object(Pod::SPEC).into_iter();
    let containers: Vec<&Object> = lists
        .flat_map(|spec| spec.objects(PodSpec::CONTAINERS).chain(spec.objects(PodSpec::INIT_CONTAINERS)))
        .collect();
    for item in items(range, "Container") {
        for container in &containers {
            let (requests, limits) = (demand::stated(container, REQUESTS), demand::stated(container, LIMITS));
            Bounds { kind: "Container", item }.check(&requests, &limits, &mut broken);
        }
    }
    for item in items(range, "Pod") {
        let (requests, limits) = (demand::of_pod(pod, REQUESTS), demand::of_pod(pod, LIMITS));
        Bounds { kind: "Pod", item }.check(&requests, &limits, &mut broken);
    }
    broken
}

/// What of a claim is out of bounds: of what it requests alone.
pub(super) fn of_claim(claim: &Object, range: &Object) -> Vec<String> {
    let requests =
        claim.object(PersistentVolumeClaim::SPEC).map(|spec| demand::stated(spec, REQUESTS)).unwrap_or_default();
    let mut broken = Vec::new();
    for item in items(range, "PersistentVolumeClaim") {
        let bounds = Bounds { kind: "PersistentVolumeClaim", item };
        broken.extend(bounds.of(LimitRangeItem::MIN).filter_map(|bound| bound.minimum(&requests, &Amounts::new())));
        broken.extend(bounds.of(LimitRangeItem::MAX).filter_map(|bound| bound.maximum_request(&requests)));
    }
    broken
}

struct Bounds<'a> {
    kind: &'static str,
    item: &'a Object,
}

impl<'a> Bounds<'a> {
    fn check(&self, requests: &Amounts, limits: &Amounts, broken: &mut Vec<String>) {
        broken.extend(self.of(LimitRangeItem::MIN).filter_map(|bound| bound.minimum(requests, limits)));
        broken.extend(self.of(LimitRangeItem::MAX).filter_map(|bound| bound.maximum(requests, limits)));
        broken
            .extend(self.of(LimitRangeItem::MAX_LIMIT_REQUEST_RATIO).filter_map(|bound| bound.ratio(requests, limits)));
    }

    fn of(&self, member: FieldName) -> impl Iterator<Item = Bound<'a>> + use<'a> {
        let kind = self.kind;
        let amounts = self.item.object(member).into_iter().flatten();
        amounts.filter_map(move |(resource, amount)| {
            Some(Bound { kind, resource, amount: Quantity::parse(amount.as_str()?).ok()? })
        })
    }
}

struct Bound<'a> {
    kind: &'static str,
    resource: &'a str,
    amount: Quantity,
}

impl Bound<'_> {
    fn usage(&self, end: &str, but: &str) -> String {
        format!("{end} {} usage per {} is {}{but}", self.resource, self.kind, self.amount)
    }

    fn minimum(&self, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let below = |amount: &&Quantity| **amount < self.amount;
        match requests.get(self.resource) {
            None => return Some(self.usage("minimum", ".  No request is specified")),
            Some(request) if below(&request) => {
                return Some(self.usage("minimum", &format!(", but request is {request}")));
            }
            Some(_) => {}
        }
        let limit = limits.get(self.resource).filter(below)?;
        Some(self.usage("minimum", &format!(", but limit is {limit}")))
    }

    fn maximum(&self, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let above = |amount: &&Quantity| **amount > self.amount;
        match limits.get(self.resource) {
            None => return Some(self.usage("maximum", ".  No limit is specified")),
            Some(limit) if above(&limit) => return Some(self.usage("maximum", &format!(", but limit is {limit}"))),
            Some(_) => {}
        }
        let request = requests.get(self.resource).filter(above)?;
        Some(self.usage("maximum", &format!(", but request is {request}")))
    }

    fn maximum_request(&self, requests: &Amounts) -> Option<String> {
        match requests.get(self.resource) {
            None => Some(self.usage("maximum", ".  No request is specified")),
            Some(request) if *request > self.amount => {
                Some(self.usage("maximum", &format!(", but request is {request}")))
            }
            Some(_) => None,
        }
    }

    fn ratio(&self, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let given = |amounts: &Amounts| amounts.get(self.resource).filter(|amount| !amount.is_zero()).copied();
        let bound = format!("{} max limit to request ratio per {} is {}", self.resource, self.kind, self.amount);
        let Some(request) = given(requests) else {
            return Some(format!("{bound}, but no request is specified or request is 0"));
        };
        let Some(limit) = given(limits) else {
            return Some(format!("{bound}, but no limit is specified or limit is 0"));
        };
        let ratio = limit.milli() as f64 / request.milli() as f64;
        (ratio * 1000.0 > self.amount.milli() as f64).then(|| format!("{bound}, but provided ratio is {ratio:.6}"))
    }
}
