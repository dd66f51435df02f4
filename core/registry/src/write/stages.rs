//! The stages of a write. Their fields are private to this file: a stage can only be made from the one before it.

use gantry_admission::{Attributes, Operation};
use gantry_codec::{DecodeError, Expected, Format, Strictness, Surroundings, apply_defaults, canonical};
use gantry_kinds::{Members as _, fields::meta_v1::ObjectMeta};
use gantry_meta::{Object, ObjectView as _, Status, Value};
use gantry_patch::managed;
use jiff::Timestamp;

use super::{accept, metadata};
use crate::{
    context::RequestContext,
    request::{Body, FieldValidation, MediaType, WriteOptions},
    served::Served,
    state::State,
    strategy,
};

/// One write: who, what, where.
#[derive(Clone, Copy)]
pub(crate) struct Write<'a> {
    pub state: &'a State,
    pub ctx: &'a RequestContext,
    pub served: &'a Served,
    pub namespace: &'a str,
    /// Of the URL, or generated; empty for a create whose body names the object.
    pub name: &'a str,
    pub subresource: &'a str,
    pub options: &'a WriteOptions,
    pub now: Timestamp,
}

impl<'a> Write<'a> {
    pub fn attributes(&self, operation: Operation, name: &'a str) -> Attributes<'a> {
        Attributes {
            operation,
            resource: &self.served.gvr,
            subresource: self.subresource,
            namespace: self.namespace,
            name,
            user: &self.ctx.user,
            dry_run: self.options.dry_run,
        }
    }

    /// For the record of who set what.
    fn writer<'w>(&'w self, manager: &'w str) -> managed::Writer<'w> {
        let resource = &self.served.resource;
        managed::Writer {
            ty: &resource.root,
            api_version: &resource.api_version,
            manager,
            subresource: self.subresource,
            reset: resource.reset_fields_of(self.subresource),
            versions: self.served,
            now: self.now,
        }
    }

    /// For the record of what is seen through a subresource of another kind, or posted to one.
    fn writer_of<'w>(&'w self, expected: Expected<'w>, manager: &'w str) -> managed::Writer<'w> {
        managed::Writer {
            ty: expected.ty,
            api_version: expected.api_version,
            manager,
            subresource: self.subresource,
            reset: &[],
            versions: &managed::OneVersion,
            now: self.now,
        }
    }

    /// Notes who set what on what a subresource shows; `old` is none for a post, which stores nothing.
    pub fn record_shown(&self, expected: Expected<'_>, old: Option<&Object>, new: &mut Object) {
        let manager = self.manager();
        managed::record_update(self.writer_of(expected, &manager), old, new);
    }

    /// What server-side apply makes of what a subresource shows. 409 for conflicts, 400 for a configuration that breaks the
    /// rules of apply.
    pub fn apply_shown(
        &self,
        expected: Expected<'_>,
        old: &Object,
        config: &Object,
        force: bool,
    ) -> Result<Object, Status> {
        let manager = self.manager();
        Ok(managed::apply(self.writer_of(expected, &manager), Some(old), config, force)?)
    }

    /// Notes what the server itself changes, in the name of one of its parts.
    pub fn record_as(&self, manager: &str, old: &Object, new: &mut Object) {
        managed::record_update(self.writer(manager), Some(old), new);
    }

    fn manager(&self) -> String {
        match self.options.field_manager.as_str() {
            "" => managed::manager_of_user_agent(&self.ctx.user_agent),
            given => given.to_owned(),
        }
    }
}

pub(crate) fn strictness(validation: FieldValidation) -> Strictness {
    match validation {
        FieldValidation::Ignore => Strictness::Ignore,
        FieldValidation::Warn => Strictness::Warn,
        FieldValidation::Strict => Strictness::Strict,
    }
}

/// Reads a body as what a resource or subresource takes; unknown fields become warnings.
pub(crate) fn read_body(
    ctx: &RequestContext,
    expected: Expected<'_>,
    body: &Body,
    validation: FieldValidation,
) -> Result<Object, Status> {
    let format = match body.media_type {
        MediaType::Json => Format::Json,
        MediaType::Yaml => Format::Yaml,
        MediaType::Protobuf => Format::Protobuf,
    };
    let decoded = gantry_codec::decode(expected, &body.bytes, format, strictness(validation));
    let decoded = decoded.map_err(|error| unreadable(expected, error))?;
    decoded.warnings.into_iter().for_each(|warning| ctx.warn(warning));
    Ok(decoded.object)
}

/// What is wrong with the parts of a body is said with its kind, as one of many bodies of a file may be meant.
fn unreadable(expected: Expected<'_>, error: DecodeError) -> Status {
    let (kind, version) = (expected.kind, expected.api_version.rsplit('/').next().unwrap_or_default());
    match error {
        DecodeError::Type(_) | DecodeError::Strict(_) => {
            Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}"))
        }
        other => other.into(),
    }
}

/// An object as the client means it: of the right kind, canonical, with the defaults of its kind, its field owners noted.
#[derive(Clone)]
pub(crate) struct Decoded {
    object: Object,
    /// True if the client stated labels, as opposed to those that defaults fill in.
    labelled: bool,
}

fn is_labelled(object: &Object) -> bool {
    object.labels().is_some_and(|labels| !labels.is_empty())
}

impl Decoded {
    /// A new object. Name and namespace are settled.
    pub fn for_create(write: &Write<'_>, mut object: Object) -> Self {
        let labelled = is_labelled(&object);
        metadata::fill_new(&mut object, write.now, write.options.dry_run);
        drop_repeated_owners(write, &mut object);
        apply_defaults(&write.served.resource.root, &mut object, &Surroundings { now: write.now });
        let mut object = write.served.settled(object);
        record_owners(write, None, &mut object);
        Self { object, labelled }
    }

    /// A change of `old`.
    pub fn for_update(write: &Write<'_>, mut object: Object, old: &Object) -> Self {
        drop_repeated_owners(write, &mut object);
        apply_defaults(&write.served.resource.root, &mut object, &Surroundings { now: write.now });
        let mut object = write.served.settled(object);
        metadata::keep_system_fields(&mut object, old);
        record_owners(write, Some(old), &mut object);
        Self { object, labelled: true }
    }

    /// A change of `old` whose record is settled already.
    pub fn recorded(write: &Write<'_>, mut object: Object, old: &Object) -> Self {
        apply_defaults(&write.served.resource.root, &mut object, &Surroundings { now: write.now });
        metadata::keep_system_fields(&mut object, old);
        Self { object, labelled: true }
    }

    /// What server-side apply makes of `config`: a new object where there is no `old`. 409 for conflicts, 400 for a
    /// configuration that breaks the rules of apply.
    pub fn for_apply(write: &Write<'_>, old: Option<&Object>, config: &Object, force: bool) -> Result<Self, Status> {
        let resource = &write.served.resource;
        let manager = write.manager();
        let writer = write.writer(&manager);
        let applied = managed::apply(writer, old, config, force)?;
        let decoded = gantry_codec::decode_value(resource.into(), Value::Object(applied), Strictness::Ignore)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let mut object = decoded.object;
        apply_defaults(&resource.root, &mut object, &Surroundings { now: write.now });
        let mut object = write.served.settled(object);
        match old {
            None => {
                metadata::fill_new(&mut object, write.now, write.options.dry_run);
                if resource.namespaced {
                    object.metadata_mut().set(ObjectMeta::NAMESPACE, write.namespace);
                }
            }
            Some(old) => metadata::keep_system_fields(&mut object, old),
        }
        Ok(Self { object, labelled: is_labelled(config) })
    }

    /// An object that the server itself makes as the effect of a request that was admitted.
    pub fn by_server(self) -> Accepted {
        Accepted::by_server(self.object)
    }

    /// Mutating admission.
    pub async fn admit(self, write: &Write<'_>, old: Option<&Object>) -> Result<Admitted, Status> {
        let Self { mut object, labelled } = self;
        let name = object.name().to_owned();
        let operation = if old.is_some() { Operation::Update } else { Operation::Create };
        let attributes = write.attributes(operation, &name);
        write.state.admission.mutate(&attributes, Some(&mut object), old).await?;
        Ok(Admitted { object, labelled })
    }
}

/// An owner that stands twice in the same words is kept once, and warned about.
fn drop_repeated_owners(write: &Write<'_>, object: &mut Object) {
    let repeated = metadata::drop_repeated_owners(object);
    if !repeated.is_empty() {
        let uids = repeated.join(", ");
        write.ctx.warn(format!("metadata.ownerReferences: duplicate entries are dropped, with the uids {uids}"));
    }
}

fn record_owners(write: &Write<'_>, old: Option<&Object>, new: &mut Object) {
    let manager = write.manager();
    managed::record_update(write.writer(&manager), old, new);
}

/// Past mutating admission.
pub(crate) struct Admitted {
    object: Object,
    labelled: bool,
}

impl Admitted {
    /// Refuses what the client may not give away, puts back what the request may not write, brings the object into its canonical
    /// form, and validates it.
    pub fn prepare(self, write: &Write<'_>, old: Option<&Object>) -> Result<Prepared, Status> {
        let (Self { mut object, labelled }, served) = (self, write.served);
        accept::check_escalation(write, &object, old)?;
        match old {
            None => {
                let warnings = write.served.strategy.modernise(&mut object);
                warnings.into_iter().for_each(|warning| write.ctx.warn(warning));
                strategy::prepare_create(&served.resource, served.strategy, &mut object);
            }
            Some(old) => {
                strategy::prepare_update(&served.resource, served.strategy, write.subresource, &mut object, old);
            }
        }
        let states_empty = canonical::canonicalise_for_rules(&write.served.resource.root, &mut object);
        accept::validate(write, &object, old)?;
        let bare = if old.is_none() { !labelled } else { !is_labelled(&object) };
        if bare {
            write.served.strategy.fill_labels(&mut object);
        }
        Ok(Prepared { object, states_empty })
    }
}

/// Valid, but not yet seen by validating admission.
pub(crate) struct Prepared {
    object: Object,
    /// Whether it has empty lists or maps that rules may ask for, and that are not stored.
    states_empty: bool,
}

impl Prepared {
    /// Validating admission.
    pub async fn accept(self, write: &Write<'_>, old: Option<&Object>) -> Result<Accepted, Status> {
        let Self { mut object, states_empty } = self;
        let operation = if old.is_some() { Operation::Update } else { Operation::Create };
        let name = object.name().to_owned();
        let attributes = write.attributes(operation, &name);
        write.state.admission.validate(&attributes, Some(&object), old).await?;
        if states_empty {
            canonical::canonicalise(&write.served.resource.root, &mut object);
        }
        Ok(Accepted(object))
    }
}

/// The only thing that storage takes.
#[derive(Clone)]
pub(crate) struct Accepted(Object);

impl Accepted {
    /// A change that the server itself makes to a stored object as the effect of a request that was admitted: the marks of
    /// a deletion, the node of a binding. What the client sent is not in it.
    pub fn by_server(changed: Object) -> Self {
        Self(changed)
    }

    pub fn object(&self) -> &Object {
        &self.0
    }

    pub fn into_object(self) -> Object {
        self.0
    }

    /// Writes addresses and ports that were claimed for the object into it, on the way to one commit with them.
    pub fn with_claimed(self, fill: impl FnOnce(&mut Object)) -> Self {
        let Self(mut object) = self;
        fill(&mut object);
        Self(object)
    }
}
