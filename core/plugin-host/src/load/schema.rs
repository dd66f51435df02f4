//! JSON Schema (2020-12) as far as configurations of plugins need it. A schema with another keyword is refused when the module
//! is loaded, so that nothing passes unchecked.

use serde_json::{Map, Value};

/// A schema whose keywords are all understood.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'s>(&'s Value);

/// Keywords without influence on what is valid.
const ANNOTATIONS: &[&str] =
    &["$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"];

impl<'s> Schema<'s> {
    /// # Errors
    /// Names a keyword that is not understood, or used in an unknown way.
    pub fn new(schema: &'s Value) -> Result<Self, String> {
        understand(schema, "")?;
        Ok(Self(schema))
    }

    /// # Errors
    /// Everything that is wrong with `config`, as `PATH: WHAT`.
    pub fn check(&self, config: &Value) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        check(self.0, config, "", &mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn understand(schema: &Value, path: &str) -> Result<(), String> {
    let members = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(members) => members,
        _ => return Err(format!("{path}: a schema is an object or a boolean")),
    };
    for (keyword, value) in members {
        let at = format!("{path}/{keyword}");
        let well_formed = match keyword.as_str() {
            "type" => value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            "properties" => match value.as_object() {
                Some(properties) => {
                    properties.iter().try_for_each(|(name, schema)| understand(schema, &format!("{at}/{name}")))?;
                    true
                }
                None => false,
            },
            "items" | "additionalProperties" => understand(value, &at).map(|()| true)?,
            "required" | "enum" => value.is_array(),
            "const" => true,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            other if ANNOTATIONS.contains(&other) => true,
            _ => return Err(format!("{at}: unknown keyword")),
        };
        if !well_formed {
            return Err(format!("{at}: malformed"));
        }
    }
    Ok(())
}

fn check(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let members = match schema {
        Value::Bool(false) => {
            faults.push(format!("{path}: not allowed"));
            return;
        }
        Value::Object(members) => members,
        _ => return,
    };
    let mut require = |holds: bool, what: &dyn Fn() -> String| {
        if !holds {
            faults.push(format!("{}: {}", if path.is_empty() { "/" } else { path }, what()));
        }
    };
    for (keyword, bound) in members {
        let number = |compare: fn(f64, f64) -> bool| match (value.as_f64(), bound.as_f64()) {
            (Some(value), Some(bound)) => compare(value, bound),
            _ => true,
        };
        let size = |of: Option<usize>, fits: fn(u64, u64) -> bool| match (of, bound.as_u64()) {
            (Some(n), Some(bound)) => fits(n as u64, bound),
            _ => true,
        };
        let chars = || value.as_str().map(|s| s.chars().count());
        let items = || value.as_array().map(Vec::len);
        match keyword.as_str() {
            "type" => require(is_of_type(value, bound), &|| format!("must be of type {bound}")),
            "enum" => {
                require(bound.as_array().is_some_and(|all| all.contains(value)), &|| format!("must be one of {bound}"));
            }
            "const" => require(value == bound, &|| format!("must be {bound}")),
            "minimum" => require(number(|v, b| v >= b), &|| format!("must be at least {bound}")),
            "maximum" => require(number(|v, b| v <= b), &|| format!("must be at most {bound}")),
            "exclusiveMinimum" => require(number(|v, b| v > b), &|| format!("must be more than {bound}")),
            "exclusiveMaximum" => require(number(|v, b| v < b), &|| format!("must be less than {bound}")),
            "minLength" => require(size(chars(), |n, b| n >= b), &|| format!("needs {bound} characters")),
            "maxLength" => require(size(chars(), |n, b| n <= b), &|| format!("may have {bound} characters")),
            "minItems" => require(size(items(), |n, b| n >= b), &|| format!("needs {bound} items")),
            "maxItems" => require(size(items(), |n, b| n <= b), &|| format!("may have {bound} items")),
            "required" => {
                let missing =
                    |name: &&Value| value.is_object() && name.as_str().is_some_and(|n| value.get(n).is_none());
                if let Some(name) = bound.as_array().and_then(|all| all.iter().find(missing)) {
                    require(false, &|| format!("lacks {name}"));
                }
            }
            _ => {}
        }
    }
    check_members(members, value, path, faults);
}

fn check_members(schema: &Map<String, Value>, value: &Value, path: &str, faults: &mut Vec<String>) {
    if let (Some(item_schema), Some(items)) = (schema.get("items"), value.as_array()) {
        for (i, item) in items.iter().enumerate() {
            check(item_schema, item, &format!("{path}/{i}"), faults);
        }
    }
    let Some(members) = value.as_object() else { return };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, member) in members {
        let of_member = properties.and_then(|p| p.get(name)).or(schema.get("additionalProperties"));
        if let Some(schema) = of_member {
            check(schema, member, &format!("{path}/{name}"), faults);
        }
    }
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
        _ => false,
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_is_told_all_that_is_wrong_with_it() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["weight"],
            "properties": {
                "weight": {"type": "integer", "minimum": 1, "maximum": 100},
                "names": {"type": "array", "items": {"type": "string", "minLength": 1}},
                "mode": {"enum": ["pack", "spread"]},
            },
        });
        let schema = Schema::new(&schema).expect("known keywords");
        assert_eq!(schema.check(&json!({"weight": 5, "names": ["a"], "mode": "pack"})), Ok(()));
        let faults =
            schema.check(&json!({"weight": 0, "names": [""], "mode": "x", "other": 1})).expect_err("four faults");
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert_eq!(schema.check(&json!({})).expect_err("one fault"), ["/: lacks \"weight\""]);
    }

    #[test]
    fn an_unknown_keyword_is_named() {
        let nested = json!({"properties": {"a": {"if": {}}}});
        assert_eq!(Schema::new(&nested).expect_err("`if` is not known"), "/properties/a/if: unknown keyword");
    }
}
