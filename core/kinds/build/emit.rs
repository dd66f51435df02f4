//! Writes the tables as Rust statics. Types refer to each other by index into `TYPES`, so cycles are no trouble.

use crate::tsv::table;
use crate::{
    model::{FieldFacts, Schema, TypeFacts},
    paths::{FieldNames, ScaleFacts},
    resources::{ColumnFacts, GroupFacts, ResourceFacts, SubresourceFacts},
    shapes::Shape,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

pub fn rust(facts: &Path, schema: &Schema, groups: &[GroupFacts]) -> String {
    let mut out = Emitter { schema, out: String::new(), inner_shapes: BTreeMap::new() };
    out.types();
    out.kinds();
    out.groups(groups);
    out.descriptions(facts);
    out.version(facts);
    out.out
}

struct Emitter<'a> {
    schema: &'a Schema,
    out: String,
    /// Element shapes of lists and maps, each a static of its own.
    inner_shapes: BTreeMap<Shape, usize>,
}

/// `Text::Borrowed("...")`
fn text(value: &str) -> String {
    format!("Text::Borrowed({value:?})")
}

/// `List::Borrowed(&[Text, ...])`
fn texts(values: &[String]) -> String {
    let items: Vec<String> = values.iter().map(|v| text(v)).collect();
    format!("const {{ List::Borrowed(&[{}]) }}", items.join(", "))
}

fn gate(takes_parent: Option<bool>) -> &'static str {
    match takes_parent {
        None => "Gate::Open",
        Some(false) => "Gate::Off",
        Some(true) => "Gate::OffWithParent",
    }
}

fn option(value: &Option<String>) -> String {
    value.as_ref().map_or("None".to_owned(), |v| format!("Some({v})"))
}

/// Places in the list of fields, in the order of their tags.
fn by_tag(facts: &TypeFacts) -> Vec<usize> {
    let path = |f: &FieldFacts| f.tag.split('.').filter_map(|t| t.parse::<u16>().ok()).collect::<Vec<_>>();
    let paths: Vec<Vec<u16>> = facts.fields.values().map(path).collect();
    let mut places: Vec<usize> = (0..paths.len()).filter(|at| !paths[*at].is_empty()).collect();
    places.sort_by(|a, b| paths[*a].cmp(&paths[*b]));
    places
}

/// Calls that are evaluated when the tables are compiled.
fn name_starts(facts: &TypeFacts) -> String {
    facts.fields.keys().map(|name| format!("name_start({name:?})")).collect::<Vec<_>>().join(", ")
}

/// Places in the list of fields of those that are wanted.
fn places(facts: &TypeFacts, wanted: impl Fn(&FieldFacts) -> bool) -> Vec<usize> {
    facts.fields.values().enumerate().filter(|(_, field)| wanted(field)).map(|(at, _)| at).collect()
}

impl Emitter<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.out.write_fmt(line).and_then(|()| self.out.write_str("\n")).expect("a String takes everything");
    }

    fn types(&mut self) {
        let schema = self.schema;
        for (at, facts) in schema.types.values().enumerate() {
            self.fields(at, facts);
            self.conditional(at, facts);
        }
        self.line(format_args!("pub(crate) static TYPES: [Type; {}] = [", schema.types.len()));
        for (at, (name, facts)) in schema.types.iter().enumerate() {
            self.line(format_args!(
                "Type {{ name: {}, fields: List::Borrowed(&FIELDS_{at}), name_starts: List::Borrowed(&[{}]), \
                 defaulted: List::Borrowed(&{:?}), conditional: List::Borrowed(&CONDITIONAL_{at}), emitting: List::Borrowed(&{:?}), by_tag: List::Borrowed(&{:?}), \
                 atomic: {}, reaches_defaults: {} }},",
                text(name),
                name_starts(facts),
                places(facts, |field| field.default.is_some()),
                places(facts, |field| field.emitted.is_some()),
                by_tag(facts),
                facts.atomic,
                facts.reaches_defaults
            ));
        }
        self.line(format_args!("];"));
        for (shape, at) in self.inner_shapes.clone() {
            let literal = self.shape(&shape);
            self.line(format_args!("static SHAPE_{at}: Shape = {literal};"));
        }
    }

    fn fields(&mut self, at: usize, facts: &TypeFacts) {
        let fields: Vec<String> = facts.fields.iter().map(|(name, field)| self.field(name, field)).collect();
        self.line(format_args!("static FIELDS_{at}: [Field; {}] = [{}];", fields.len(), fields.join(",\n")));
    }

    fn conditional(&mut self, at: usize, facts: &TypeFacts) {
        let (count, defaults) = (facts.conditional.len(), facts.conditional.join(",\n"));
        self.line(format_args!("static CONDITIONAL_{at}: [ConditionalDefault; {count}] = [{defaults}];"));
    }

    fn field(&mut self, name: &str, f: &FieldFacts) -> String {
        let shape = self.shape(&f.shape);
        let tag: Vec<&str> = f.tag.split('.').filter(|t| !t.is_empty()).collect();
        let merge_key = (!f.patch_merge_key.is_empty()).then(|| text(&f.patch_merge_key));
        format!(
            "Field {{ name: {}, tag: List::Borrowed(&[{}]), proto: {}, shape: {shape}, topology: {}, map_keys: {}, \
             patch: PatchStrategy {{ merge: {}, retain_keys: {}, replace: {} }}, merge_key: {}, required: {}, \
             pointer: {}, by_value: {}, gate: {}, default: {}, only_below: {}, emitted: {}, allowed: {}, closed: {}, \
             published: {} }}",
            text(name),
            tag.join(", "),
            text(&f.proto),
            topology(f),
            texts(&f.map_keys),
            f.patch_strategy.split(',').any(|s| s == "merge"),
            f.patch_strategy.split(',').any(|s| s == "retainKeys"),
            f.patch_strategy.split(',').any(|s| s == "replace"),
            option(&merge_key),
            f.required,
            f.pointer,
            f.by_value,
            gate(f.gate),
            option(&f.default),
            f.only_below,
            option(&f.emitted),
            texts(&f.allowed),
            f.closed,
            f.published,
        )
    }

    fn shape(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Plain(name) => format!("Shape::{name}"),
            Shape::SchemaOr(other) => {
                let schema = shape.leaf_struct().expect("an alternative has a schema");
                format!("Shape::SchemaOr({}, SchemaAlternative::{other})", self.type_ref(schema))
            }
            Shape::Struct(name) => format!("Shape::Struct({})", self.type_ref(name)),
            Shape::List(inner) => format!("Shape::List(Ref::Static(&SHAPE_{}))", self.inner_shape(inner)),
            Shape::Map(inner) => format!("Shape::Map(Ref::Static(&SHAPE_{}))", self.inner_shape(inner)),
        }
    }

    fn type_ref(&self, name: &str) -> String {
        format!("Ref::Static(&TYPES[{}])", self.schema.index(name))
    }

    fn inner_shape(&mut self, shape: &Shape) -> usize {
        if let Shape::List(inner) | Shape::Map(inner) = shape {
            self.inner_shape(inner);
        }
        let next = self.inner_shapes.len();
        *self.inner_shapes.entry(shape.clone()).or_insert(next)
    }

    fn kinds(&mut self) {
        let rows: Vec<String> = self
            .schema
            .kinds
            .iter()
            .map(|(name, g, v, k)| format!("({g:?}, {v:?}, {k:?}, &TYPES[{}])", self.schema.index(name)))
            .collect();
        self.line(format_args!(
            "pub(crate) static KINDS: [(&str, &str, &str, &Type); {}] = [{}];",
            rows.len(),
            rows.join(",\n")
        ));
    }

    /// Descriptions written by hand, sorted for look-ups.
    fn descriptions(&mut self, facts: &Path) {
        let rows = table(facts, "gantry/descriptions");
        let mut rows: Vec<(&str, &str, &str)> =
            rows.iter().map(|r| (r.get("type"), r.get("field"), r.get("description"))).collect();
        rows.sort_unstable();
        let rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        self.line(format_args!(
            "pub(crate) static DESCRIPTIONS: [(&str, &str, &str); {}] = [{}];",
            rows.len(),
            rows.join(",\n")
        ));
    }

    /// The version of the API that is followed, and a hash over all that was written so far.
    fn version(&mut self, facts: &Path) {
        let text = fs::read_to_string(facts.join("VERSION")).expect("facts/VERSION is there");
        let version = text.lines().find(|l| !l.starts_with('#')).expect("facts/VERSION names a version");
        let mut hasher = DefaultHasher::new();
        self.out.hash(&mut hasher);
        let fingerprint = hasher.finish();
        self.line(format_args!("/// The version of the Kubernetes API that the tables follow."));
        self.line(format_args!("pub const FOLLOWED_VERSION: &str = {version:?};"));
        self.line(format_args!("/// Differs whenever the tables differ."));
        self.line(format_args!("pub const TABLES_FINGERPRINT: u64 = {fingerprint};"));
    }

    fn groups(&mut self, groups: &[GroupFacts]) {
        self.line(format_args!("pub(crate) fn groups() -> Vec<Group> {{ vec!["));
        for group in groups {
            self.line(format_args!("Group {{ name: {}, versions: vec![", text(&group.name)));
            for version in &group.versions {
                self.line(format_args!("Version {{ name: {}, resources: vec![", text(&version.name)));
                for resource in &version.resources {
                    let literal = self.resource(resource);
                    self.line(format_args!("{literal},"));
                }
                self.line(format_args!("] }},"));
            }
            self.line(format_args!("] }},"));
        }
        self.line(format_args!("] }}"));
    }

    fn resource(&self, r: &ResourceFacts) -> String {
        let [create, unconditional, generation, status] = r.strategy;
        let subresources: Vec<String> = r.subresources.iter().map(|s| self.subresource(s)).collect();
        let selectable: Vec<String> = r
            .selectable
            .iter()
            .map(|(field, rule)| format!("SelectableField {{ field: {}, rule: {} }}", text(field), text(rule)))
            .collect();
        format!(
            "Resource {{ group: {}, version: {}, api_version: {}, plural: {}, singular: {}, kind: {}, list_kind: {}, \
             namespaced: {}, short_names: {}, categories: {}, verbs: {}, storage_hash: {}, storage_version: {}, \
             subresources: vec![{}], create_on_update: {create}, unconditional_update: {unconditional}, \
             manages_generation: {generation}, status_reset: {status}, acted_on: {}, \
             reset_fields: {}, root: {}, \
             selectable: vec![{}], columns: {} }}",
            text(&r.group),
            text(&r.version),
            text(&api_version(&r.group, &r.version)),
            text(&r.plural),
            text(&r.singular),
            text(&r.kind),
            text(&format!("{}List", r.kind)),
            r.namespaced,
            texts(&r.short_names),
            texts(&r.categories),
            texts(&r.verbs),
            text(&r.storage_hash),
            text(&r.storage_version),
            subresources.join(", "),
            r.acted_on,
            field_lists(&r.reset_fields),
            self.type_ref(&r.root),
            selectable.join(", "),
            columns(&r.columns),
        )
    }

    fn subresource(&self, s: &SubresourceFacts) -> String {
        let root = s.root.as_ref().map(|name| self.type_ref(name));
        format!(
            "Subresource {{ name: {}, kind: {}, kind_group: {}, kind_version: {}, api_version: {}, verbs: {}, root: {}, \
             reset_fields: {}, scale: {}, columns: {} }}",
            text(&s.name),
            text(&s.kind),
            text(&s.kind_group),
            text(&s.kind_version),
            text(&api_version(&s.kind_group, &s.kind_version)),
            texts(&s.verbs),
            option(&root),
            field_lists(&s.reset_fields),
            option(&s.scale.as_ref().map(scale)),
            columns(&s.columns),
        )
    }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// How server-side apply treats the field's parts. Lists and maps without a mark follow the API conventions: lists are
/// atomic, maps granular.
fn topology(f: &FieldFacts) -> &'static str {
    match (f.list_or_map_type.as_str(), &f.shape) {
        ("map", _) => "Topology::ListMap",
        ("set", _) => "Topology::ListSet",
        ("granular", Shape::Struct(_)) => "Topology::GranularStruct",
        ("granular", _) => "Topology::Granular",
        ("atomic", _) | ("", Shape::List(_)) => "Topology::Atomic",
        ("", _) => "Topology::Granular",
        (other, _) => panic!("unknown list or map type {other}"),
    }
}

fn field_lists(fields: &[FieldNames]) -> String {
    let fields: Vec<String> = fields.iter().map(|names| texts(names)).collect();
    format!("vec![{}]", fields.join(", "))
}

fn scale(s: &ScaleFacts) -> String {
    let [replicas, status, selector] = [&s.replicas, &s.status_replicas, &s.selector].map(|names| texts(names));
    format!("ScaleFields {{ replicas: {replicas}, status_replicas: {status}, selector: {selector} }}")
}

fn columns(columns: &[ColumnFacts]) -> String {
    let items: Vec<String> = columns
        .iter()
        .map(|c| {
            format!(
                "Column {{ name: {}, kind: {}, format: {}, priority: {}, rule: {} }}",
                text(&c.name),
                text(&c.kind),
                text(&c.format),
                c.priority,
                text(&c.rule)
            )
        })
        .collect();
    format!("vec![{}]", items.join(", "))
}
