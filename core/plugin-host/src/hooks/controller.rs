//! `gantry.ctl.reconcile/1`

use std::time::Duration;

use gantry_abi as abi;

use super::{BODY_BYTES_MAX, ITEMS_MAX, NAME_BYTES_MAX};
use crate::{
    Plugin,
    call::{CallError, CallSpec, HookError, Running, raw_object},
    services::ObjectRecord,
};

/// How an event becomes keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mapping {
    None,
    Itself,
    Owner { group: String, kind: String },
    Custom,
}

/// A resource that a controller watches; `*` is every deletable one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    pub group: String,
    pub version: String,
    pub resource: String,
    pub mapping: Mapping,
    pub metadata_only: bool,
    pub indexes: Vec<String>,
}

/// `gantry_key`
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct WorkKey {
    pub scope: String,
    pub namespace: String,
    pub name: String,
}

/// A key that is due.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Work {
    pub key: WorkKey,
    /// Failures in a row.
    pub attempt: u32,
    /// JSON list of what failed of the last operations; empty if nothing did.
    pub failures: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Create,
    Update,
    PatchJson,
    PatchMerge,
    PatchStrategic,
    Apply,
    Delete,
    DeleteCollection,
    Event,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// `gantry_op`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedOp {
    pub verb: Verb,
    pub stage: u32,
    pub force: bool,
    pub ignore_not_found: bool,
    pub ignore_exists: bool,
    /// Run only if that operation of the same key has (`true`) or has not succeeded.
    pub after: Option<(usize, bool)>,
    pub group: String,
    pub version: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub expect_uid: String,
    pub expect_resource_version: String,
    pub body: Vec<u8>,
    pub propagation: Option<Propagation>,
    pub grace_seconds: Option<i64>,
}

/// What became of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconciled {
    pub ops: Vec<PlannedOp>,
    pub then: Planned,
}

/// When the key is looked at again, after its operations have run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Planned {
    Done,
    Requeue(Duration),
    /// With back-off, for this reason.
    Retry(String),
}

const NO_TABLE: HookError = HookError::Unsupported(abi::CTL_RECONCILE);

fn table(running: &Running<'_>) -> Result<&'static abi::CtlReconcileV1, HookError> {
    running.instance.tables.reconcile.ok_or(NO_TABLE)
}

impl Plugin {
    /// What the controller watches.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn controller_watches(&self, spec: &CallSpec<'_>) -> Result<Vec<Watch>, CallError> {
        self.call(spec, |running| {
            let watches = table(running)?.watches.ok_or(NO_TABLE)?;
            let mut n = 0;
            // SAFETY: an instance of this plugin.
            let first = unsafe { watches(running.raw(), &mut n) };
            let raw = running.elements(first, n, 1000, "watches")?;
            if raw.is_empty() {
                return Err(HookError::BadResult("no watch".into()));
            }
            raw.iter().map(|watch| copy_watch(running, watch)).collect()
        })
    }

    /// Keys for an event of the watch with this index.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn controller_map(
        &self,
        spec: &CallSpec<'_>,
        watch: usize,
        old: Option<&ObjectRecord>,
        new: Option<&ObjectRecord>,
    ) -> Result<Vec<WorkKey>, CallError> {
        self.call(spec, |running| {
            let map = table(running)?.map.ok_or(NO_TABLE)?;
            let (old, new) = (old.map(raw_object), new.map(raw_object));
            let pointer = |object: &Option<abi::Object>| object.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let (mut first, mut n) = (std::ptr::null(), 0);
            // SAFETY: arguments of the header's contract, which outlive the call.
            let code = unsafe {
                map(running.raw(), running.call, watch as u64, pointer(&old), pointer(&new), &mut first, &mut n)
            };
            running.expect_ok(code)?;
            running.plain(first, n, ITEMS_MAX, "keys")?.iter().map(|key| copy_key(running, key)).collect()
        })
    }

    /// Reconciles up to 64 different keys. The results are in the order of `work`.
    ///
    /// # Errors
    /// See [`CallError`]; then nothing is known of any key.
    pub fn controller_reconcile(&self, spec: &CallSpec<'_>, work: &[Work]) -> Result<Vec<Reconciled>, CallError> {
        let raw: Vec<abi::Work> = work.iter().map(raw_work).collect();
        self.call(spec, |running| {
            let reconcile = table(running)?.reconcile.ok_or(NO_TABLE)?;
            let mut outcomes = vec![UNTOUCHED; raw.len()];
            let (mut ops, mut n_ops) = (std::ptr::null(), 0);
            let n = raw.len() as u64;
            // SAFETY: arguments of the header's contract, which outlive the call; `outcomes` has room for `n`.
            let code = unsafe {
                reconcile(running.raw(), running.call, raw.as_ptr(), n, outcomes.as_mut_ptr(), &mut ops, &mut n_ops)
            };
            running.expect_ok(code)?;
            let ops = running.elements(ops, n_ops, ITEMS_MAX, "operations")?;
            outcomes.iter().map(|outcome| copy_outcome(running, outcome, &ops)).collect()
        })
    }
}

const UNTOUCHED: abi::Outcome =
    abi::Outcome { code: abi::OK, reserved: 0, requeue_ms: 0, first_op: 0, n_ops: 0, message: abi::Str::EMPTY };

fn raw_work(work: &Work) -> abi::Work {
    abi::Work {
        size: abi::size_of_u32::<abi::Work>(),
        attempt: work.attempt,
        key: abi::Key {
            scope: abi::Str::of(&work.key.scope),
            ns: abi::Str::of(&work.key.namespace),
            name: abi::Str::of(&work.key.name),
        },
        failures: abi::Str::of(&work.failures),
    }
}

fn copy_watch(running: &Running<'_>, raw: &abi::Watch) -> Result<Watch, HookError> {
    let text = |text| running.text(text, NAME_BYTES_MAX, "a watch");
    let mapping = match raw.map {
        abi::MAP_NONE => Mapping::None,
        abi::MAP_SELF => Mapping::Itself,
        abi::MAP_OWNER => Mapping::Owner { group: text(raw.owner_group)?, kind: text(raw.owner_kind)? },
        abi::MAP_CUSTOM => Mapping::Custom,
        other => return Err(HookError::BadResult(format!("a watch with the unknown mapping {other}"))),
    };
    let indexes = running.plain(raw.indexes, raw.n_indexes, 64, "indexes")?;
    Ok(Watch {
        group: text(raw.group)?,
        version: text(raw.version)?,
        resource: text(raw.resource)?,
        mapping,
        metadata_only: raw.flags & abi::WATCH_METADATA != 0,
        indexes: indexes.iter().map(|index| text(*index)).collect::<Result<_, _>>()?,
    })
}

fn copy_key(running: &Running<'_>, key: &abi::Key) -> Result<WorkKey, HookError> {
    let text = |text| running.text(text, NAME_BYTES_MAX, "a key");
    Ok(WorkKey { scope: text(key.scope)?, namespace: text(key.ns)?, name: text(key.name)? })
}

fn copy_outcome(running: &Running<'_>, raw: &abi::Outcome, ops: &[abi::Op]) -> Result<Reconciled, HookError> {
    let end = raw.first_op.checked_add(raw.n_ops).filter(|end| *end <= ops.len() as u64);
    let Some(end) = end else {
        return Err(HookError::BadResult(format!("an outcome with operations beyond the {} there are", ops.len())));
    };
    let own = &ops[raw.first_op as usize..end as usize];
    let then = match raw.code {
        abi::OK if raw.requeue_ms == 0 => Planned::Done,
        abi::OK => Planned::Requeue(Duration::from_millis(raw.requeue_ms)),
        abi::ERROR => Planned::Retry(running.text(raw.message, NAME_BYTES_MAX, "a message")?),
        other => return Err(HookError::BadResult(format!("an outcome with the unknown code {other}"))),
    };
    let ops = own.iter().map(|op| copy_op(running, op, own.len())).collect::<Result<_, _>>()?;
    Ok(Reconciled { ops, then })
}

fn copy_op(running: &Running<'_>, raw: &abi::Op, n_ops: usize) -> Result<PlannedOp, HookError> {
    let text = |text| running.text(text, NAME_BYTES_MAX, "an operation");
    let flag = |flag| raw.flags & flag != 0;
    let after = (flag(abi::OP_IF_SUCCEEDED) || flag(abi::OP_IF_FAILED))
        .then_some((raw.after as usize, flag(abi::OP_IF_SUCCEEDED)));
    if after.is_some_and(|(index, _)| index >= n_ops) {
        return Err(HookError::BadResult("an operation after one that is not there".into()));
    }
    let propagation = match raw.propagation {
        abi::PROPAGATION_DEFAULT => None,
        abi::PROPAGATION_BACKGROUND => Some(Propagation::Background),
        abi::PROPAGATION_FOREGROUND => Some(Propagation::Foreground),
        abi::PROPAGATION_ORPHAN => Some(Propagation::Orphan),
        other => return Err(HookError::BadResult(format!("the unknown propagation {other}"))),
    };
    Ok(PlannedOp {
        verb: verb(raw.op)?,
        stage: raw.stage,
        force: flag(abi::OP_FORCE),
        ignore_not_found: flag(abi::OP_IGNORE_NOT_FOUND),
        ignore_exists: flag(abi::OP_IGNORE_EXISTS),
        after,
        group: text(raw.group)?,
        version: text(raw.version)?,
        resource: text(raw.resource)?,
        subresource: text(raw.subresource)?,
        namespace: text(raw.ns)?,
        name: text(raw.name)?,
        expect_uid: text(raw.expect_uid)?,
        expect_resource_version: text(raw.expect_resource_version)?,
        body: running.bytes(raw.body, BODY_BYTES_MAX, "a body")?,
        propagation,
        grace_seconds: flag(abi::OP_GRACE).then_some(raw.grace_seconds),
    })
}

fn verb(op: u32) -> Result<Verb, HookError> {
    Ok(match op {
        abi::OP_CREATE => Verb::Create,
        abi::OP_UPDATE => Verb::Update,
        abi::OP_PATCH_JSON => Verb::PatchJson,
        abi::OP_PATCH_MERGE => Verb::PatchMerge,
        abi::OP_PATCH_STRATEGIC => Verb::PatchStrategic,
        abi::OP_APPLY => Verb::Apply,
        abi::OP_DELETE => Verb::Delete,
        abi::OP_DELETE_COLLECTION => Verb::DeleteCollection,
        abi::OP_EVENT => Verb::Event,
        other => return Err(HookError::BadResult(format!("the unknown operation {other}"))),
    })
}
