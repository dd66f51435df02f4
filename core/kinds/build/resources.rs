//! What is served: resources and subresources in the order of discovery, with everything the other tables say about them.

use crate::{
    model::Schema,
    paths::{FieldNames, PathTables, Place, ScaleFacts},
    tsv::{Row, table},
};
use std::{fs, path::Path};

pub struct GroupFacts {
    pub name: String,
    /// Preferred version first.
    pub versions: Vec<VersionFacts>,
}

pub struct VersionFacts {
    pub name: String,
    pub resources: Vec<ResourceFacts>,
}

pub struct ResourceFacts {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub namespaced: bool,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Vec<String>,
    pub storage_hash: String,
    pub storage_version: String,
    /// create_on_update, unconditional_update, manages_generation, status_reset
    pub strategy: [bool; 4],
    pub acted_on: bool,
    pub reset_fields: Vec<FieldNames>,
    pub root: String,
    pub subresources: Vec<SubresourceFacts>,
    /// `(field, value rule)`
    pub selectable: Vec<(String, String)>,
    pub columns: Vec<ColumnFacts>,
}

pub struct SubresourceFacts {
    pub name: String,
    pub kind: String,
    pub kind_group: String,
    pub kind_version: String,
    pub verbs: Vec<String>,
    pub root: Option<String>,
    pub reset_fields: Vec<FieldNames>,
    pub scale: Option<ScaleFacts>,
    pub columns: Vec<ColumnFacts>,
}

pub struct ColumnFacts {
    pub name: String,
    pub kind: String,
    pub format: String,
    pub priority: u8,
    pub rule: String,
}

struct Tables {
    discovery: Vec<Row>,
    strategies: Vec<Row>,
    selectors: Vec<Row>,
    columns: Vec<Row>,
    inert: Vec<Row>,
    paths: PathTables,
}

pub fn read(facts: &Path, schema: &Schema) -> Vec<GroupFacts> {
    let tables = Tables {
        discovery: table(facts, "discovery"),
        strategies: table(facts, "strategies"),
        selectors: table(facts, "selectors"),
        columns: table(facts, "table_columns"),
        inert: table(facts, "gantry/inert"),
        paths: PathTables::read(facts),
    };
    let mut order = served_groups(facts);
    for row in &tables.discovery {
        if !order.iter().any(|(g, _)| g == row.get("group")) {
            order.push((row.get("group").to_owned(), vec![row.get("version").to_owned()]));
        }
    }
    order
        .into_iter()
        .map(|(name, versions)| GroupFacts {
            versions: versions.into_iter().map(|v| tables.version(schema, &name, v)).collect(),
            name,
        })
        .collect()
}

/// Groups in the order served and their versions, preferred first, from the VERSION file.
fn served_groups(facts: &Path) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(facts.join("VERSION")).expect("facts/VERSION is there");
    text.lines()
        .filter_map(|l| l.split_once('\t'))
        .map(|(group, versions)| {
            let group = if group == "(core)" { "" } else { group };
            (group.to_owned(), versions.split(',').map(str::to_owned).collect())
        })
        .collect()
}

fn is_of(row: &Row, group: &str, version: &str, resource: &str, subresource: &str) -> bool {
    row.get("group") == group
        && row.get("version") == version
        && row.get("resource") == resource
        && row.get("subresource") == subresource
}

fn owned(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

impl Tables {
    fn version(&self, schema: &Schema, group: &str, version: String) -> VersionFacts {
        let resources = self
            .discovery
            .iter()
            .filter(|r| r.get("group") == group && r.get("version") == version && r.get("subresource").is_empty())
            .map(|r| self.resource(schema, r))
            .collect();
        VersionFacts { name: version, resources }
    }

    fn resource(&self, schema: &Schema, row: &Row) -> ResourceFacts {
        let (group, version, plural) = (row.get("group"), row.get("version"), row.get("resource"));
        let kind = row.get("kind");
        let root =
            schema.type_of(group, version, kind).unwrap_or_else(|| panic!("{group}/{version} {kind} has no type"));
        ResourceFacts {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: row.get("singular").to_owned(),
            kind: kind.to_owned(),
            namespaced: row.is_true("namespaced"),
            short_names: owned(row.list("short_names")),
            categories: owned(row.list("categories")),
            verbs: owned(row.list("verbs")),
            storage_hash: row.get("storage_version_hash").to_owned(),
            storage_version: row.get("storage_version").to_owned(),
            strategy: self.strategy(group, version, plural),
            acted_on: !self.inert.iter().any(|r| r.get("group") == group && r.get("resource") == plural),
            reset_fields: self.paths.reset_fields(schema, &Place { group, resource: plural, subresource: "", root }),
            root: root.to_owned(),
            subresources: self.subresources(schema, (group, version, plural), root),
            selectable: self.selectable(group, version, plural),
            columns: self.columns(group, version, plural, ""),
        }
    }

    /// Reviews and bindings are not stored and have no strategy: all false.
    fn strategy(&self, group: &str, version: &str, plural: &str) -> [bool; 4] {
        let row = self
            .strategies
            .iter()
            .find(|r| r.get("group") == group && r.get("version") == version && r.get("resource") == plural);
        ["create_on_update", "unconditional_update", "generation", "status_reset"]
            .map(|column| row.is_some_and(|r| r.is_true(column)))
    }

    fn subresources(
        &self,
        schema: &Schema,
        (group, version, plural): (&str, &str, &str),
        root: &str,
    ) -> Vec<SubresourceFacts> {
        self.discovery
            .iter()
            .filter(|r| !r.get("subresource").is_empty() && is_of(r, group, version, plural, r.get("subresource")))
            .map(|r| {
                let or_own = |cell: &str, own: &str| if cell.is_empty() { own.to_owned() } else { cell.to_owned() };
                let kind_version = or_own(r.get("kind_version"), version);
                let kind_group = if r.get("kind_version").is_empty() { group } else { r.get("kind_group") };
                let subresource = r.get("subresource");
                let place = Place { group, resource: plural, subresource, root };
                SubresourceFacts {
                    name: subresource.to_owned(),
                    kind: r.get("kind").to_owned(),
                    root: schema.type_of(kind_group, &kind_version, r.get("kind")).map(str::to_owned),
                    reset_fields: self.paths.reset_fields(schema, &place),
                    scale: self.paths.scale(schema, &place),
                    columns: self.columns(group, version, plural, subresource),
                    kind_group: kind_group.to_owned(),
                    kind_version,
                    verbs: owned(r.list("verbs")),
                }
            })
            .collect()
    }

    fn selectable(&self, group: &str, version: &str, plural: &str) -> Vec<(String, String)> {
        self.selectors
            .iter()
            .filter(|r| r.get("group") == group && r.get("version") == version && r.get("resource") == plural)
            .map(|r| (r.get("field").to_owned(), r.get("value").to_owned()))
            .collect()
    }

    fn columns(&self, group: &str, version: &str, plural: &str, subresource: &str) -> Vec<ColumnFacts> {
        self.columns
            .iter()
            .filter(|r| is_of(r, group, version, plural, subresource))
            .map(|r| ColumnFacts {
                name: r.get("name").to_owned(),
                kind: r.get("type").to_owned(),
                format: r.get("format").to_owned(),
                priority: r.get("priority").parse().expect("priority is 0 or 1"),
                rule: r.get("value").to_owned(),
            })
            .collect()
    }
}
