//! The field tables of all types that the served resources reach.

use crate::{
    conditions::{self, NamedDefault},
    literals,
    shapes::Shape,
    tsv::{Row, table},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

/// `(type, field)`
type Spot = (String, String);

pub struct Schema {
    /// By full name; the position in this order is the index of the generated static.
    pub types: BTreeMap<String, TypeFacts>,
    /// Kinds of each type: `(group, version, kind)`.
    pub kinds: Vec<(String, String, String, String)>,
}

#[derive(Default)]
pub struct TypeFacts {
    pub fields: BTreeMap<String, FieldFacts>,
    pub atomic: bool,
    pub reaches_defaults: bool,
    /// Constants of `ConditionalDefault`.
    pub conditional: Vec<String>,
    /// Values of defaults that code decides on.
    pub named_defaults: Vec<NamedDefault>,
}

pub struct FieldFacts {
    pub tag: String,
    pub proto: String,
    pub shape: Shape,
    pub list_or_map_type: String,
    pub map_keys: Vec<String>,
    pub patch_strategy: String,
    pub patch_merge_key: String,
    pub required: bool,
    pub pointer: bool,
    pub by_value: bool,
    /// Whether there is a gate that is off, and whether it takes a struct along that is empty without the field.
    pub gate: Option<bool>,
    /// The plain default, as a literal of `Literal`.
    pub default: Option<String>,
    /// Only what lies below the struct that this holds gets defaults, the struct itself none.
    pub only_below: bool,
    /// What is written when the field is unset, as a literal of `Literal`.
    pub emitted: Option<String>,
    pub allowed: Vec<String>,
    pub closed: bool,
    pub published: bool,
}

/// What `/version` answers: of no kind, and described for clients all the same.
const VERSION_INFO: &str = "io.k8s.apimachinery.pkg.version.Info";

impl Schema {
    pub fn read(facts: &Path) -> Schema {
        let kinds = kinds(facts);
        let mut types = all_types(facts);
        keep_reachable(&mut types, kinds.iter().map(|(t, ..)| t.as_str()).chain([VERSION_INFO]));
        read_defaults(facts, &mut types);
        mark_default_paths(&mut types);
        Schema { types, kinds }
    }

    pub fn index(&self, name: &str) -> usize {
        self.types.keys().position(|k| k == name).unwrap_or_else(|| panic!("type {name} is not in the schema"))
    }

    pub fn type_of(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        self.kinds.iter().find(|(_, g, v, k)| (&**g, &**v, &**k) == (group, version, kind)).map(|(t, ..)| t.as_str())
    }
}

/// `(type, group, version, kind)` rows; a type may have several kinds (DeleteOptions, WatchEvent).
fn kinds(facts: &Path) -> Vec<(String, String, String, String)> {
    let mut kinds = Vec::new();
    for row in table(facts, "openapi_extensions").iter().filter(|r| r.get("section") == "gvk") {
        for gvk in spelled_out(row) {
            let parts: Vec<&str> = gvk.split('/').collect();
            let (group, version, kind) = match parts[..] {
                [version, kind] => ("", version, kind),
                [group, version, kind] => (group, version, kind),
                _ => panic!("{gvk} is no group/version/kind"),
            };
            kinds.push((row.get("key").to_owned(), group.to_owned(), version.to_owned(), kind.to_owned()));
        }
    }
    kinds
}

/// The `G/V/K` of a row. Rows of N entries list their group versions in the note: `..., kind K: G/V,G/V`.
fn spelled_out(row: &Row) -> Vec<String> {
    let kind = row.get("key").rsplit('.').next().unwrap_or_default();
    match row.get("note").rsplit_once(": ") {
        Some((_, versions)) if row.get("value").ends_with(" entries") => {
            versions.split(',').map(|v| format!("{}/{kind}", v.trim())).collect()
        }
        _ => row.list("value").into_iter().map(str::to_owned).collect(),
    }
}

fn all_types(facts: &Path) -> BTreeMap<String, TypeFacts> {
    let rows = table(facts, "schema");
    let notes = Notes::read(facts);
    let atomic: HashSet<String> = table(facts, "atomic_structs").iter().map(|r| r.get("type").to_owned()).collect();
    let mut types: BTreeMap<String, TypeFacts> = BTreeMap::new();
    for row in &rows {
        let name = row.get("type");
        let entry = types.entry(name.to_owned()).or_default();
        entry.atomic = atomic.contains(name);
        if row.get("field") != "-" {
            entry.fields.insert(row.get("field").to_owned(), notes.field(row));
        }
    }
    types.values_mut().for_each(always_emit_metadata);
    types
}

/// The `metadata` of objects and of lists is always written; the table leaves that out.
fn always_emit_metadata(facts: &mut TypeFacts) {
    let is_kind = facts.fields.contains_key("kind") && facts.fields.contains_key("apiVersion");
    if let Some(metadata) = facts.fields.get_mut("metadata").filter(|_| is_kind) {
        metadata.emitted = Some("Literal::EmptyObject".to_owned());
        metadata.by_value = true;
    }
}

/// What the other tables say about fields.
struct Notes {
    emitted: HashMap<Spot, (String, bool)>,
    /// Fields that Go holds by value although they are no scalars.
    values: HashSet<Spot>,
    defaults: HashMap<Spot, String>,
    enums: HashMap<Spot, Enumerated>,
    pointers: HashSet<Spot>,
    gates: HashMap<Spot, bool>,
}

/// The values of a field.
#[derive(Clone, Default)]
struct Enumerated {
    allowed: Vec<String>,
    closed: bool,
    published: bool,
}

impl Enumerated {
    fn read(row: &Row) -> Self {
        // The table spells the empty text with its quotes.
        let value = |text: &str| if text == "\"\"" { String::new() } else { text.to_owned() };
        Self {
            allowed: row.list("values").into_iter().map(value).collect(),
            closed: row.get("set").starts_with("closed"),
            published: row.get("from").starts_with("openapi"),
        }
    }
}

impl Notes {
    fn read(facts: &Path) -> Notes {
        let spot = |r: &Row| (r.get("type").to_owned(), r.get("field").to_owned());
        let emitted = table(facts, "always_emitted");
        let enums = table(facts, "enums");
        Notes {
            emitted: emitted
                .iter()
                .map(|r| (spot(r), (r.get("zero").to_owned(), r.get("note").starts_with("omitempty"))))
                .collect(),
            values: emitted.iter().filter(|r| r.get("shape") != "pointer").map(spot).collect(),
            defaults: table(facts, "defaults")
                .iter()
                .filter(|r| is_plain_default(r))
                .map(|r| (spot(r), r.get("default").to_owned()))
                .collect(),
            enums: enums.iter().map(|r| (spot(r), Enumerated::read(r))).collect(),
            pointers: table(facts, "pointers").iter().map(spot).collect(),
            gates: table(facts, "gates_off").iter().map(|r| (spot(r), r.get("emptied") == "dropped")).collect(),
        }
    }

    fn field(&self, row: &Row) -> FieldFacts {
        let spot = (row.get("type").to_owned(), row.get("field").to_owned());
        let mut shape = Shape::parse(row.get("json_type"));
        if spot.0.starts_with("io.k8s.api.core.v1.") {
            shape.mark_resource_list();
        }
        let Enumerated { allowed, closed, published } = self.enums.get(&spot).cloned().unwrap_or_default();
        FieldFacts {
            tag: row.get("proto_tag").to_owned(),
            proto: row.get("proto_type").to_owned(),
            list_or_map_type: row.get("list_or_map_type").to_owned(),
            map_keys: row.list("map_keys").into_iter().map(str::to_owned).collect(),
            patch_strategy: row.get("patch_strategy").to_owned(),
            patch_merge_key: row.get("patch_merge_key").to_owned(),
            required: row.get("flags").split(',').any(|f| f == "required"),
            pointer: self.pointers.contains(&spot),
            by_value: self.is_by_value(&spot, &shape),
            gate: self.gates.get(&spot).copied(),
            only_below: false,
            default: self.defaults.get(&spot).map(|text| literals::scalar(text, &shape)),
            emitted: self.emitted(&spot, &shape),
            allowed,
            closed,
            published,
            shape,
        }
    }

    /// Scalars are values unless a table says otherwise, everything else is none. Lists, maps and bytes have no zero.
    fn is_by_value(&self, spot: &Spot, shape: &Shape) -> bool {
        match shape {
            Shape::Plain("String" | "Bool" | "Int32" | "Int64" | "Double") => !self.pointers.contains(spot),
            Shape::Plain("Bytes") | Shape::List(_) | Shape::Map(_) => false,
            _ => self.values.contains(spot),
        }
    }

    /// `omitempty` does have an effect on named map types, which the table counts as structs, and `creationTimestamp` has
    /// `omitzero`, as the table's first line says.
    fn emitted(&self, spot: &Spot, shape: &Shape) -> Option<String> {
        let (zero, despite_omitempty) = self.emitted.get(spot)?;
        if (*despite_omitempty && shape.is_collection()) || spot.1 == "creationTimestamp" {
            return None;
        }
        Some(literals::scalar(zero, shape))
    }
}

/// Rows whose value needs no code: it is written wherever the field is unset.
fn is_plain_default(row: &Row) -> bool {
    const UNSET: [&str; 6] = ["", "empty", "unset", "0 or unset", "unset (0 is kept)", "also in volumeClaimTemplates"];
    let value = row.get("default");
    row.get("stage") == "decode"
        && UNSET.contains(&row.get("condition"))
        && !value.starts_with(['=', '+', '['])
        && !row.get("field").contains(['.', '['])
        && row.get("field") != "*"
}

fn keep_reachable<'a>(types: &mut BTreeMap<String, TypeFacts>, roots: impl Iterator<Item = &'a str>) {
    let mut wanted: Vec<String> = roots.map(str::to_owned).collect();
    let mut kept = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        let Some(facts) = types.get(&name) else { continue };
        if kept.insert(name) {
            wanted.extend(facts.fields.values().filter_map(|f| f.shape.leaf_struct().map(str::to_owned)));
        }
    }
    types.retain(|name, _| kept.contains(name));
}

/// Marks each type that has rows of defaults for decoding.
fn read_defaults(facts: &Path, types: &mut BTreeMap<String, TypeFacts>) {
    let rows = table(facts, "defaults");
    let (plain, conditional): (Vec<&Row>, Vec<&Row>) =
        rows.iter().filter(|row| row.get("stage") == "decode").partition(|row| is_plain_default(row));
    for row in plain {
        if let Some(facts) = types.get_mut(row.get("type")) {
            facts.reaches_defaults = true;
            facts.named_defaults.extend(NamedDefault::of(row, "DEFAULT", &facts.fields));
        }
    }
    conditions::read(facts, &conditional, types);
}

/// Marks each type that reaches one that is marked, so that defaulting skips the others.
fn mark_default_paths(types: &mut BTreeMap<String, TypeFacts>) {
    loop {
        let is_marked = |name: &str| types.get(name).is_some_and(|facts| facts.reaches_defaults);
        let reaches = |facts: &TypeFacts| facts.fields.values().any(|f| f.shape.leaf_struct().is_some_and(is_marked));
        let reaching = types.iter().filter(|(_, facts)| !facts.reaches_defaults && reaches(facts));
        let reaching: Vec<String> = reaching.map(|(name, _)| name.clone()).collect();
        if reaching.is_empty() {
            return;
        }
        for name in reaching {
            types.entry(name).or_default().reaches_defaults = true;
        }
    }
}
