//! The rows of `defaults.tsv` that have a condition. That table says it in words; `gantry/default_conditions.tsv` says for
//! every one of these rows how it is applied, or that code does it: a row that is not listed there stops the build.

use crate::{
    literals,
    model::{FieldFacts, TypeFacts},
    shapes::Shape,
    tsv::{Row, table},
};
use std::{collections::BTreeMap, path::Path};

type Types = BTreeMap<String, TypeFacts>;

/// The value of a default, for a constant of the field's type.
pub struct NamedDefault {
    pub field: String,
    pub name: String,
    /// As a Rust expression, with its type.
    pub value: (String, &'static str),
}

impl NamedDefault {
    /// Of a scalar; other values have no constant.
    pub fn of(row: &Row, name: &str, fields: &BTreeMap<String, FieldFacts>) -> Option<Self> {
        let (text, field) = (row.get("default"), row.get("field"));
        let value = match fields.get(field)?.shape {
            Shape::Plain("Int32" | "Int64") => (text.to_owned(), "i64"),
            Shape::Plain("Bool") => (text.to_owned(), "bool"),
            Shape::Plain("String") => (format!("{:?}", text.trim_matches('"')), "&str"),
            _ => return None,
        };
        Some(Self { field: field.to_owned(), name: name.to_owned(), value })
    }
}

/// Adds to the types what their conditional rows say. `rows`: all rows of the stage `decode` that have one.
pub fn read(facts: &Path, rows: &[&Row], types: &mut Types) {
    let conditions = table(facts, "gantry/default_conditions");
    let same = |row: &Row, condition: &Row| KEY.iter().all(|column| row.get(column) == condition.get(column));
    for condition in &conditions {
        let row = rows.iter().find(|row| same(row, condition));
        let row = row.unwrap_or_else(|| panic!("no default is as {:?} says", KEY.map(|column| condition.get(column))));
        add(&Rule { row, condition }, types);
    }
    for row in rows {
        let listed = conditions.iter().any(|condition| same(row, condition));
        assert!(listed, "{:?} has no line in default_conditions.tsv", KEY.map(|column| row.get(column)));
    }
}

const KEY: [&str; 3] = ["type", "field", "condition"];

struct Rule<'r> {
    row: &'r Row,
    condition: &'r Row,
}

impl Rule<'_> {
    /// The type whose structs the rule looks at.
    fn on(&self) -> &str {
        match self.condition.get("on") {
            "" => self.row.get("type"),
            on => on,
        }
    }

    /// From there to the field. That a step leads through a list is known from its type.
    fn path(&self) -> Vec<String> {
        let path = match self.condition.get("path") {
            "" => self.row.get("field"),
            path => path,
        };
        path.split('.').map(|step| step.trim_end_matches("[]").to_owned()).collect()
    }

    /// The rule as a constant of `ConditionalDefault`.
    fn constant(&self, path: &[String], value: &str, field: &FieldFacts) -> String {
        let how = self.condition.get("how");
        format!(
            "ConditionalDefault {{ first: {}, always: {}, zero_is_unset: {}, when: {}, path: {}, value: {value} }}",
            how == "first",
            how == "always",
            field.emitted.is_some() && !field.pointer,
            when(self.condition.get("when")),
            texts(path.iter().map(String::as_str)),
        )
    }
}

fn add(rule: &Rule<'_>, types: &mut Types) {
    match rule.condition.get("how") {
        "none" => {}
        "below" => {
            let [field] = &rule.path()[..] else { panic!("{} is not one of its own fields", rule.on()) };
            let fields = &mut types.get_mut(rule.on()).expect("a type").fields;
            fields.get_mut(field).unwrap_or_else(|| panic!("{} has no {field}", rule.on())).only_below = true;
        }
        "code" => mark(rule.on(), types),
        "" | "first" | "always" => {
            mark(rule.on(), types);
            let constants = constants(rule, types);
            types.get_mut(rule.on()).expect("marked above").conditional.extend(constants);
        }
        named => {
            mark(rule.on(), types);
            let name = named.strip_prefix("code ").unwrap_or_else(|| panic!("{named} is no way to apply a default"));
            let facts = types.get_mut(rule.row.get("type")).expect("a type");
            let default = NamedDefault::of(rule.row, name, &facts.fields).expect("code decides on scalars");
            facts.named_defaults.push(default);
        }
    }
}

fn mark(ty: &str, types: &mut Types) {
    types.get_mut(ty).unwrap_or_else(|| panic!("no type {ty}")).reaches_defaults = true;
}

/// A struct's members are filled each on its own, by a constant for each.
fn constants(rule: &Rule<'_>, types: &Types) -> Vec<String> {
    let (path, text) = (rule.path(), rule.row.get("default"));
    let field = descend(rule.on(), &path, types);
    match (&field.shape, literals::inner(text, '{', '}').filter(|members| !members.is_empty())) {
        (Shape::Struct(ty), Some(members)) => {
            let constant = |(name, text): (String, &str)| {
                let (path, field) = ([&path[..], std::slice::from_ref(&name)].concat(), &types[ty].fields[&name]);
                rule.constant(&path, &value(text, &field.shape, types), field)
            };
            literals::named(members, ty, types).into_iter().map(constant).collect()
        }
        (shape, _) => vec![rule.constant(&path, &value(text, shape, types), field)],
    }
}

fn value(text: &str, shape: &Shape, types: &Types) -> String {
    match text {
        "removed" => "DefaultValue::Removed".to_owned(),
        "= now" => "DefaultValue::Now".to_owned(),
        _ => match text.strip_prefix("= ") {
            Some(path) => format!("DefaultValue::Copy({})", texts(path.split('.'))),
            None => format!("DefaultValue::Constant({})", literals::whole(text, shape, types)),
        },
    }
}

fn descend<'t>(on: &str, path: &[String], types: &'t Types) -> &'t FieldFacts {
    let field = |ty: &str, name: &String| {
        let field = types.get(ty).and_then(|facts| facts.fields.get(name));
        field.unwrap_or_else(|| panic!("{ty} has no {name}"))
    };
    let (first, rest) = path.split_first().expect("a path has steps");
    let below = |at: &'t FieldFacts, name| field(at.shape.leaf_struct().expect("a struct on the way"), name);
    rest.iter().fold(field(on, first), below)
}

/// `a=X|Y & !b & c`: one of these texts, unset, set.
fn when(text: &str) -> String {
    let test = |test: &str| match (test.split_once('='), test.strip_prefix('!')) {
        (Some((name, values)), _) => format!("When::OneOf(Text::Borrowed({name:?}), {})", texts(values.split('|'))),
        (_, Some(name)) => format!("When::Unset(Text::Borrowed({name:?}))"),
        _ => format!("When::Set(Text::Borrowed({test:?}))"),
    };
    let tests: Vec<String> = text.split(" & ").filter(|text| !text.is_empty()).map(test).collect();
    format!("const {{ List::Borrowed(&[{}]) }}", tests.join(", "))
}

fn texts<'t>(values: impl Iterator<Item = &'t str>) -> String {
    let items: Vec<String> = values.map(|value| format!("Text::Borrowed({value:?})")).collect();
    format!("const {{ List::Borrowed(&[{}]) }}", items.join(", "))
}
