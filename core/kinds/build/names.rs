//! Writes the names of all fields as constants of their types, so that who names a field names one that is there.

use crate::{
    conditions::NamedDefault,
    model::{FieldFacts, Schema},
    shapes::Shape,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// `pub mod core_v1 { pub enum Pod {} impl Pod { pub const SPEC: FieldName = ...; } }` for every type and field.
pub fn rust(schema: &Schema) -> String {
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for (at, (name, facts)) in schema.types.iter().enumerate() {
        let (package, short) = name.rsplit_once('.').expect("types have a package");
        let out = modules.entry(module(package)).or_default();
        let mut constants = vec![format!("pub const TYPE_NAME: &str = {name:?};\n")];
        constants.extend(facts.fields.iter().map(|(name, field)| constant(schema, at, name, field)));
        constants.extend(facts.named_defaults.iter().map(named_default));
        let written = write!(out, "pub enum {short} {{}}\nimpl {short} {{\n{}}}\n", constants.concat());
        written.expect("a String takes everything");
    }
    let module = |(name, types)| format!("pub mod {name} {{\nuse crate::FieldName;\n{types}}}\n");
    modules.into_iter().map(module).collect()
}

/// The last two parts of a package: `core_v1`.
fn module(package: &str) -> String {
    let mut parts = package.rsplit('.');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{before}_{last}")
}

fn constant(schema: &Schema, of: usize, name: &str, field: &FieldFacts) -> String {
    let holds = match &field.shape {
        Shape::Struct(ty) => schema.index(ty).to_string(),
        _ => "crate::name::NO_STRUCT".to_owned(),
    };
    format!("pub const {}: FieldName = FieldName::of({name:?}, {of}, {holds});\n", constant_name(name))
}

/// The value of a default, for code that decides on it: `PHASE_DEFAULT`.
fn named_default(default: &NamedDefault) -> String {
    let NamedDefault { field, name, value: (value, ty) } = default;
    format!("pub const {}_{name}: {ty} = {value};\n", constant_name(field))
}

/// `clusterIPs` is `CLUSTER_IPS`, `targetCPUUtilizationPercentage` is `TARGET_CPU_UTILIZATION_PERCENTAGE`.
fn constant_name(field: &str) -> String {
    let letters: Vec<char> = field.trim_start_matches('$').chars().collect();
    let mut name = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|at| letters[at]), letters.get(at + 1));
        // An acronym's plural is part of it, and else its last letter begins the next word.
        let plural = after == Some(&'s') && letters.get(at + 2).is_none_or(char::is_ascii_uppercase);
        let next_word = after.is_some_and(char::is_ascii_lowercase) && !plural;
        if letter.is_ascii_uppercase() && before.is_some_and(|b| !b.is_ascii_uppercase() || next_word) {
            name.push('_');
        }
        name.push(if letter == '-' { '_' } else { letter.to_ascii_uppercase() });
    }
    name
}
