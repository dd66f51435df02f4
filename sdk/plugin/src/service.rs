//! Service types: what `spec.type` of a Service means.

use std::{ffi::c_void, marker::PhantomData};

use gantry_abi as abi;

use crate::{
    Cx, Failure, Plugin,
    export::role::{self, Role},
    instance::guarded,
};

/// A value from one of the host's pools, committed with the object in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// `service-cluster-ips`, `service-node-ports`
    pub pool: String,
    /// This value or a refusal; `None`: any that is free.
    pub want: Option<String>,
    /// JSON pointers into the object where the value is written, for example `/spec/clusterIP` and `/spec/clusterIPs/0`.
    pub fields: Vec<String>,
}

/// Why a field is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, `FieldValueForbidden`, ...
    pub reason: String,
    /// `spec.externalName`
    pub field: String,
    pub message: String,
}

/// A type of Service. Objects are JSON of `v1` Services, EndpointSlices and node reports.
pub trait ServiceType: Plugin {
    /// The value of `spec.type` that is meant.
    const TYPE: &'static str;

    /// What is wrong with a Service of this type; nothing: it is accepted. `old`: `None` on create.
    ///
    /// # Errors
    /// The object could not be judged.
    fn validate(&self, cx: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure>;

    /// All claims that the Service needs. Those of the old one that are not among them are released with the same commit.
    ///
    /// # Errors
    /// The object could not be read.
    fn allocate(&self, cx: &Cx<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<Vec<Claim>, Failure> {
        let _ = (cx, old, new);
        Ok(Vec::new())
    }

    /// The Service is gone, and its claims with it. Idempotent.
    ///
    /// # Errors
    /// What lies outside of the cluster could not be freed; tried again.
    fn release(&self, cx: &Cx<'_>, service: &[u8]) -> Result<(), Failure> {
        let _ = (cx, service);
        Ok(())
    }

    /// The new status as JSON; `None`: it stays. `slices` and `nodes` are JSON lists.
    ///
    /// # Errors
    /// The objects could not be read.
    fn status(&self, cx: &Cx<'_>, service: &[u8], slices: &[u8], nodes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let _ = (cx, service, slices, nodes);
        Ok(None)
    }

    /// The rules of all Services of this type on one node, in the rule IR. `services` and `slices` are JSON lists.
    ///
    /// # Errors
    /// The objects could not be read. The node keeps the rules it has.
    fn plan(&self, cx: &Cx<'_>, node: &str, services: &[u8], slices: &[u8]) -> Result<Vec<u8>, Failure>;
}

impl<P: ServiceType> Role<P> for role::ServiceType {
    const INTERFACES: &'static [&'static str] = &[abi::SVC_TYPE];
    const COLUMNS: &'static [&'static str] = &[];

    fn find(id: &str) -> Option<*const c_void> {
        (id == abi::SVC_TYPE).then(|| std::ptr::from_ref(&Shim::<P>::TABLE).cast())
    }
}

struct Shim<P>(PhantomData<P>);

impl<P: ServiceType> Shim<P> {
    const TABLE: abi::SvcTypeV1 = abi::SvcTypeV1 {
        size: abi::size_of_u32::<abi::SvcTypeV1>(),
        flags: 0,
        type_name: Some(type_name::<P>),
        validate: Some(validate::<P>),
        allocate: Some(allocate::<P>),
        release: Some(release::<P>),
        status: Some(status::<P>),
        plan: Some(plan::<P>),
    };
}

unsafe extern "C" fn type_name<P: ServiceType>(_: *mut abi::Instance) -> abi::Str {
    abi::Str::of(P::TYPE)
}

/// An object that may be absent.
///
/// # Safety
/// `object` is valid for `'a`.
unsafe fn optional<'a>(object: abi::Str) -> Option<&'a [u8]> {
    // SAFETY: promised by the caller.
    (!object.is_empty()).then(|| unsafe { object.bytes() })
}

unsafe extern "C" fn validate<P: ServiceType>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    old: abi::Str,
    new: abi::Str,
    causes: *mut *const abi::Cause,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let found = plugin.validate(cx, optional(old), new.bytes())?;
            let raw = found.iter().map(|cause| keep_cause(cx, cause)).collect::<Result<Vec<_>, _>>()?;
            *causes = cx.keep_slice(&raw)?;
            *n = raw.len() as u64;
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn allocate<P: ServiceType>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    old: abi::Str,
    new: abi::Str,
    claims: *mut *const abi::Claim,
    n: *mut u64,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let wanted = plugin.allocate(cx, optional(old), new.bytes())?;
            let raw = wanted.iter().map(|claim| keep_claim(cx, claim)).collect::<Result<Vec<_>, _>>()?;
            *claims = cx.keep_slice(&raw)?;
            *n = raw.len() as u64;
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn release<P: ServiceType>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    object: abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe { guarded::<P>(instance, call, |plugin, cx| plugin.release(cx, object.bytes()).map(|()| abi::OK)) }
}

unsafe extern "C" fn status<P: ServiceType>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    object: abi::Str,
    slices: abi::Str,
    nodes: abi::Str,
    out: *mut abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let new = plugin.status(cx, object.bytes(), slices.bytes(), nodes.bytes())?;
            *out = cx.keep_bytes(&new.unwrap_or_default())?;
            Ok(abi::OK)
        })
    }
}

unsafe extern "C" fn plan<P: ServiceType>(
    instance: *mut abi::Instance,
    call: *const abi::Call,
    node: abi::Str,
    services: abi::Str,
    slices: abi::Str,
    out: *mut abi::Str,
) -> abi::Code {
    // SAFETY: the arguments are the host's, as the header says.
    unsafe {
        guarded::<P>(instance, call, |plugin, cx| {
            let node = node.text().ok_or(Failure::invalid("the host sent a node name that is not UTF-8"))?;
            *out = cx.keep_bytes(&plugin.plan(cx, node, services.bytes(), slices.bytes())?)?;
            Ok(abi::OK)
        })
    }
}

fn keep_cause(cx: &Cx<'_>, cause: &Cause) -> Result<abi::Cause, Failure> {
    Ok(abi::Cause {
        size: abi::size_of_u32::<abi::Cause>(),
        flags: 0,
        reason: cx.keep(&cause.reason)?,
        field: cx.keep(&cause.field)?,
        message: cx.keep(&cause.message)?,
    })
}

fn keep_claim(cx: &Cx<'_>, claim: &Claim) -> Result<abi::Claim, Failure> {
    let fields = claim.fields.iter().map(|field| cx.keep(field)).collect::<Result<Vec<_>, _>>()?;
    Ok(abi::Claim {
        size: abi::size_of_u32::<abi::Claim>(),
        flags: 0,
        pool: cx.keep(&claim.pool)?,
        want: cx.keep(claim.want.as_deref().unwrap_or_default())?,
        fields: cx.keep_slice(&fields)?,
        n_fields: fields.len() as u64,
    })
}
