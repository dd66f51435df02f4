//! Tables and metadata-only forms, made from the bytes of objects.

use gantry_codec::{
    ListMeta,
    table::{IncludeObject, TablePrinter, partial_metadata},
};
use gantry_kinds::Resource;
use gantry_meta::{Object, Status, Value};
use gantry_registry::StoredForm;
use jiff::Timestamp;
use serde_json::json;

use super::{Form, accept::ViewVersion};

/// One way to show objects of a resource.
pub(crate) enum View {
    Table { printer: TablePrinter, stored: StoredForm, include: IncludeObject, version: ViewVersion },
    Partial { version: ViewVersion },
}

impl View {
    /// `None`: the objects themselves. 400 for an `includeObject` that is none.
    pub fn new(
        form: Form,
        resource: &Resource,
        subresource: &str,
        include_object: &str,
    ) -> Result<Option<Self>, Status> {
        match form {
            Form::Object => Ok(None),
            Form::PartialObjectMetadata(version) | Form::PartialObjectMetadataList(version) => {
                Ok(Some(Self::Partial { version }))
            }
            Form::Table(version) => {
                let include = IncludeObject::parse(include_object).ok_or_else(|| {
                    Status::bad_request(format!("unrecognized includeObject value: {include_object:?}"))
                })?;
                let subresource = Some(subresource).filter(|sub| !sub.is_empty());
                let (printer, stored) = (TablePrinter::of(resource, subresource), StoredForm::of(resource));
                Ok(Some(Self::Table { printer, stored, include, version }))
            }
        }
    }

    /// One object, as an answer of its own. `with_columns`: false for all but a watch's first event.
    pub fn one(&self, object: &Object, with_columns: bool) -> Value {
        match self {
            Self::Partial { version } => partial_metadata(object, version.api_version()),
            Self::Table { printer, stored, include, version } => {
                let meta = ListMeta {
                    resource_version: gantry_meta::ObjectView::resource_version(object).to_owned(),
                    ..ListMeta::default()
                };
                let row = printer.row(&stored.see(object), object, *include, version.api_version(), Timestamp::now());
                printer.table(&meta, vec![row], version.api_version(), with_columns)
            }
        }
    }

    /// A whole list.
    pub fn many(&self, objects: impl Iterator<Item = Object>, meta: &ListMeta) -> Value {
        match self {
            Self::Partial { version } => {
                let api_version = version.api_version();
                let items: Vec<Value> = objects.map(|object| partial_metadata(&object, api_version)).collect();
                // None at all are `null`, as they are in the reference.
                let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
                json!({"kind": "PartialObjectMetadataList", "apiVersion": api_version, "metadata": meta, "items": items})
            }
            Self::Table { printer, stored, include, version } => {
                let (api_version, now) = (version.api_version(), Timestamp::now());
                let rows = objects.map(|object| printer.row(&stored.see(&object), &object, *include, api_version, now));
                printer.table(meta, rows.collect(), api_version, true)
            }
        }
    }
}

/// The tree of an answer's bytes.
pub(super) fn tree(json: &[u8]) -> Object {
    serde_json::from_slice(json).expect("what is answered was written as JSON")
}
