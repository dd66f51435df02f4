//! `gantry.svc.type/1`

use gantry_abi as abi;

use super::{BODY_BYTES_MAX, ITEMS_MAX, NAME_BYTES_MAX};
use crate::{
    Plugin,
    call::{CallError, CallSpec, HookError, Running},
};

/// A value from a pool, committed with the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    pub pool: String,
    /// Empty: any that is free.
    pub want: String,
    /// JSON pointers where the value is written.
    pub fields: Vec<String>,
}

/// Why a field is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    pub reason: String,
    pub field: String,
    pub message: String,
}

const NO_TABLE: HookError = HookError::Unsupported(abi::SVC_TYPE);

fn table(running: &Running<'_>) -> Result<&'static abi::SvcTypeV1, HookError> {
    running.instance.tables.service.ok_or(NO_TABLE)
}

impl Plugin {
    /// The value of `spec.type` that the plugin stands for.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_type(&self, spec: &CallSpec<'_>) -> Result<String, CallError> {
        self.call(spec, |running| {
            let type_name = table(running)?.type_name.ok_or(NO_TABLE)?;
            // SAFETY: an instance of this plugin.
            running.text(unsafe { type_name(running.raw()) }, NAME_BYTES_MAX, "a type name")
        })
    }

    /// What is wrong with a Service; empty: nothing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_validate(
        &self,
        spec: &CallSpec<'_>,
        old: Option<&[u8]>,
        new: &[u8],
    ) -> Result<Vec<Cause>, CallError> {
        self.call(spec, |running| {
            let validate = table(running)?.validate.ok_or(NO_TABLE)?;
            let (mut first, mut n) = (std::ptr::null(), 0);
            let (old, new) = (abi::Str::of_bytes(old.unwrap_or_default()), abi::Str::of_bytes(new));
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { validate(running.raw(), running.call, old, new, &mut first, &mut n) })?;
            let causes = running.elements(first, n, ITEMS_MAX, "causes")?;
            let text = |text| running.text(text, NAME_BYTES_MAX, "a cause");
            let copy = |c: &abi::Cause| {
                Ok(Cause { reason: text(c.reason)?, field: text(c.field)?, message: text(c.message)? })
            };
            causes.iter().map(copy).collect()
        })
    }

    /// What the Service claims.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_allocate(
        &self,
        spec: &CallSpec<'_>,
        old: Option<&[u8]>,
        new: &[u8],
    ) -> Result<Vec<Claim>, CallError> {
        self.call(spec, |running| {
            let allocate = table(running)?.allocate.ok_or(NO_TABLE)?;
            let (mut first, mut n) = (std::ptr::null(), 0);
            let (old, new) = (abi::Str::of_bytes(old.unwrap_or_default()), abi::Str::of_bytes(new));
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { allocate(running.raw(), running.call, old, new, &mut first, &mut n) })?;
            running.elements(first, n, ITEMS_MAX, "claims")?.iter().map(|claim| copy_claim(running, claim)).collect()
        })
    }

    /// The Service is gone.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_release(&self, spec: &CallSpec<'_>, service: &[u8]) -> Result<(), CallError> {
        self.call(spec, |running| {
            let release = table(running)?.release.ok_or(NO_TABLE)?;
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { release(running.raw(), running.call, abi::Str::of_bytes(service)) })
        })
    }

    /// The new status, `None`: unchanged. `slices` and `nodes` are JSON lists.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_status(
        &self,
        spec: &CallSpec<'_>,
        service: &[u8],
        slices: &[u8],
        nodes: &[u8],
    ) -> Result<Option<Vec<u8>>, CallError> {
        self.call(spec, |running| {
            let status = table(running)?.status.ok_or(NO_TABLE)?;
            let mut out = abi::Str::EMPTY;
            let [service, slices, nodes] = [service, slices, nodes].map(abi::Str::of_bytes);
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe { status(running.raw(), running.call, service, slices, nodes, &mut out) })?;
            let new = running.bytes(out, BODY_BYTES_MAX, "a status")?;
            Ok((!new.is_empty()).then_some(new))
        })
    }

    /// The rules of one node in the rule IR. `services` and `slices` are JSON lists.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn service_plan(
        &self,
        spec: &CallSpec<'_>,
        node: &str,
        services: &[u8],
        slices: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.call(spec, |running| {
            let plan = table(running)?.plan.ok_or(NO_TABLE)?;
            let mut out = abi::Str::EMPTY;
            let [services, slices] = [services, slices].map(abi::Str::of_bytes);
            // SAFETY: arguments of the header's contract, which outlive the call.
            running.expect_ok(unsafe {
                plan(running.raw(), running.call, abi::Str::of(node), services, slices, &mut out)
            })?;
            running.bytes(out, 4 * BODY_BYTES_MAX, "a plan")
        })
    }
}

fn copy_claim(running: &Running<'_>, claim: &abi::Claim) -> Result<Claim, HookError> {
    let text = |text| running.text(text, NAME_BYTES_MAX, "a claim");
    let fields = running.plain(claim.fields, claim.n_fields, ITEMS_MAX, "fields of a claim")?;
    Ok(Claim {
        pool: text(claim.pool)?,
        want: text(claim.want)?,
        fields: fields.iter().map(|field| text(*field)).collect::<Result<_, _>>()?,
    })
}
