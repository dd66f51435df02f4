//! Reading what the host caches.

use std::{marker::PhantomData, ptr::NonNull};

use gantry_abi as abi;
use serde::Deserialize;

use crate::{Cx, Failure, Obj, Resource, ServedResource, instance::strided};

/// Which objects to list. Restrictions add up.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    resource: Resource<'q>,
    raw: abi::Query,
    texts: PhantomData<&'q str>,
}

impl<'q> Query<'q> {
    /// All objects of a resource, from the cache.
    pub fn all(resource: &Resource<'q>) -> Self {
        let raw = abi::Query {
            size: abi::size_of_u32::<abi::Query>(),
            flags: 0,
            group: abi::Str::of(resource.group),
            version: abi::Str::of(resource.version),
            resource: abi::Str::of(resource.resource),
            ns: abi::Str::EMPTY,
            name: abi::Str::EMPTY,
            label_selector: abi::Str::EMPTY,
            owner_uid: abi::Str::EMPTY,
            index_path: abi::Str::EMPTY,
            index_value: abi::Str::EMPTY,
        };
        Self { resource: *resource, raw, texts: PhantomData }
    }

    /// Those of one namespace.
    pub fn within(resource: &Resource<'q>, namespace: &'q str) -> Self {
        Self::all(resource).namespace(namespace)
    }

    /// Every object that [`super::Watch::every_deletable_resource`] follows. Restrict it: by owner it is an index look-up.
    pub fn everything() -> Self {
        Self::all(&Resource::new("*", "*", "*", "*"))
    }

    #[must_use]
    pub fn namespace(mut self, namespace: &'q str) -> Self {
        self.raw.ns = abi::Str::of(namespace);
        self
    }

    #[must_use]
    pub fn name(mut self, name: &'q str) -> Self {
        self.raw.name = abi::Str::of(name);
        self
    }

    /// `app=web,tier in (a,b),!legacy`
    #[must_use]
    pub fn labels(mut self, selector: &'q str) -> Self {
        self.raw.label_selector = abi::Str::of(selector);
        self
    }

    /// Those with an owner reference to this uid.
    #[must_use]
    pub fn owned_by(mut self, uid: &'q str) -> Self {
        self.raw.owner_uid = abi::Str::of(uid);
        self
    }

    /// Those whose scalar at `path`, one that the watch declares, is `value`.
    #[must_use]
    pub fn indexed(mut self, path: &'q str, value: &'q str) -> Self {
        self.raw.index_path = abi::Str::of(path);
        self.raw.index_value = abi::Str::of(value);
        self
    }

    /// Ask the API itself, not the cache: as fresh as any write acknowledged before, for the price of a round trip. Any
    /// resource may be asked for, watched or not.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.raw.flags |= abi::READ_LIVE;
        self
    }

    /// The content is not needed.
    #[must_use]
    pub fn metadata_only(mut self) -> Self {
        self.raw.flags |= abi::READ_METADATA;
        self
    }
}

/// The host's caches, during one call. Everything it returns lives as long as the call.
pub struct Reader<'a> {
    cx: &'a Cx<'a>,
    table: Option<&'a abi::HostReaderV1>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(cx: &'a Cx<'a>) -> Self {
        // SAFETY: the table of that id.
        let table = unsafe { cx.host().table::<abi::HostReaderV1>(abi::HOST_READER) };
        Self { cx, table }
    }

    /// An object of a watched resource, decoded. `None`: there is none in the cache.
    ///
    /// # Errors
    /// The resource is not watched, or the object is not a `T`.
    pub fn get<T: Deserialize<'a>>(&self, resource: &Resource<'_>, ns: &str, name: &str) -> Result<Option<T>, Failure> {
        self.find(resource, ns, name)?.map(|object| object.decode()).transpose()
    }

    /// As [`Reader::get`], not decoded.
    ///
    /// # Errors
    /// The resource is not watched.
    pub fn find(&self, resource: &Resource<'_>, ns: &str, name: &str) -> Result<Option<Obj<'a>>, Failure> {
        self.find_with(&Query::all(resource).namespace(ns).name(name))
    }

    /// The object as the API itself has it now (see [`Query::live`]).
    ///
    /// # Errors
    /// The API could not be asked.
    pub fn find_live(&self, resource: &Resource<'_>, ns: &str, name: &str) -> Result<Option<Obj<'a>>, Failure> {
        self.find_with(&Query::all(resource).namespace(ns).name(name).live())
    }

    fn find_with(&self, query: &Query<'_>) -> Result<Option<Obj<'a>>, Failure> {
        let get = self.table.and_then(|t| t.get).ok_or(NO_READER)?;
        let mut out = std::ptr::null();
        // SAFETY: the header's contract of `get`; the query's texts outlive the call.
        let code = unsafe { get(self.cx.host().0, self.cx.raw(), &query.raw, &mut out) };
        self.check(code, query)?;
        // SAFETY: on success null or an object that lives until the hook returns.
        unsafe { out.as_ref().map(|raw| Obj::from_raw(raw).ok_or(NOT_TEXT)).transpose() }
    }

    /// Objects, decoded, in order of namespace and name.
    ///
    /// # Errors
    /// The resource is not watched, the selector does not parse, a live read failed, or an object is not a `T`.
    pub fn list<T: Deserialize<'a>>(&self, query: &Query<'_>) -> Result<Vec<T>, Failure> {
        self.objects(query)?.iter().map(Obj::decode).collect()
    }

    /// As [`Reader::list`], not decoded.
    ///
    /// # Errors
    /// The resource is not watched, the selector does not parse, or a live read failed.
    pub fn objects(&self, query: &Query<'_>) -> Result<Vec<Obj<'a>>, Failure> {
        let list = self.table.and_then(|t| t.list).ok_or(NO_READER)?;
        let (mut first, mut n) = (NonNull::dangling().as_ptr() as *const abi::Object, 0);
        // SAFETY: the header's contract of `list`; the query's texts outlive the call.
        let code = unsafe { list(self.cx.host().0, self.cx.raw(), &query.raw, &mut first, &mut n) };
        self.check(code, query)?;
        // SAFETY: on success `n` objects that live until the hook returns.
        let objects = unsafe { strided(first, n) }.ok_or(OLD_HOST)?;
        // SAFETY: their texts live as long.
        objects.map(|raw| unsafe { Obj::from_raw(raw) }.ok_or(NOT_TEXT)).collect()
    }

    /// What the API serves now, in its preferred versions.
    ///
    /// # Errors
    /// The host cannot tell.
    pub fn resources(&self) -> Result<Vec<ServedResource<'a>>, Failure> {
        let resources = self.table.and_then(|t| t.resources).ok_or(NO_READER)?;
        let (mut first, mut n) = (NonNull::dangling().as_ptr() as *const abi::Resource, 0);
        // SAFETY: the header's contract of `resources`.
        let code = unsafe { resources(self.cx.host().0, self.cx.raw(), &mut first, &mut n) };
        self.check(code, &Query::everything())?;
        // SAFETY: on success `n` resources that live until the hook returns.
        let all = unsafe { strided(first, n) }.ok_or(OLD_HOST)?;
        // SAFETY: their texts live as long.
        all.map(|raw| unsafe { served(raw) }.ok_or(NOT_TEXT)).collect()
    }

    fn check(&self, code: abi::Code, query: &Query<'_>) -> Result<(), Failure> {
        let Resource { group, version, resource, .. } = query.resource;
        match code {
            abi::OK => Ok(()),
            abi::E_UNSUPPORTED => Err(format!("{resource}.{version}.{group} is not watched by this controller").into()),
            abi::E_INVALID => Err(format!("the query for {resource} is malformed").into()),
            code => {
                // SAFETY: the host's message, which lives until the hook returns.
                let why = unsafe { self.cx.raw().message.as_ref().and_then(|m| m.text()) };
                Err(format!("reading {resource}: {} (code {code})", why.unwrap_or_default()).into())
            }
        }
    }
}

/// # Safety
/// The texts of `raw` live for `'a`.
unsafe fn served<'a>(raw: &abi::Resource) -> Option<ServedResource<'a>> {
    // SAFETY: promised by the caller.
    let resource = unsafe {
        Resource {
            group: raw.group.text()?,
            version: raw.version.text()?,
            resource: raw.resource.text()?,
            kind: raw.kind.text()?,
        }
    };
    Some(ServedResource {
        resource,
        namespaced: raw.flags & abi::RESOURCE_NAMESPACED != 0,
        deletable: raw.flags & abi::RESOURCE_DELETABLE != 0,
        collection: raw.flags & abi::RESOURCE_COLLECTION != 0,
    })
}

const NO_READER: &str = "the host offers no gantry.host.reader/1";
const NOT_TEXT: Failure = Failure::invalid("the host sent a name that is not UTF-8");
const OLD_HOST: Failure = Failure::invalid("the host's structs are older than this ABI");
