//! Types of expressions, from the inside out.

use super::{
    Fault, Scope, Type,
    ast::{Expr, Operator},
    functions::{AUTHORIZER_NAME, FUNCTIONS, Kind, NAMESPACES, RESOURCE_CHECK_NAME},
    parser::path_of,
};

/// Names of types, which are values too.
const TYPE_NAMES: [&str; 11] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"];

fn fault<T>(what: String) -> Result<T, Fault> {
    Err(Fault::Type(what))
}

/// The type of an expression.
pub(super) fn check(expression: &Expr, scope: &Scope) -> Result<Type, Fault> {
    match expression {
        Expr::Null => Ok(Type::Null),
        Expr::Bool => Ok(Type::Bool),
        Expr::Int => Ok(Type::Int),
        Expr::Uint => Ok(Type::Uint),
        Expr::Double => Ok(Type::Double),
        Expr::String(_) => Ok(Type::String),
        Expr::Bytes => Ok(Type::Bytes),
        Expr::Name(name) => named(name, scope),
        Expr::Select { operand, field, optional } => select(operand, field, *optional, scope),
        Expr::Index { operand, index, optional } => self::index(operand, index, *optional, scope),
        Expr::Call { receiver, function, arguments } => call(receiver.as_deref(), function, arguments, scope),
        Expr::List(items) => Ok(common(items.iter(), scope)?.list()),
        Expr::Map(entries) => {
            common(entries.iter().map(|(key, _)| key), scope)?;
            Ok(common(entries.iter().map(|(_, value)| value), scope)?.map())
        }
        Expr::Message { name, fields } => message(name, fields, scope),
        Expr::Not(operand) => boolean(operand, scope),
        Expr::Negate(operand) => match check(operand, scope)? {
            found @ (Type::Dyn | Type::Int | Type::Double) => Ok(found),
            other => fault(format!("found no matching overload for '-_' applied to '({other})'")),
        },
        Expr::Logic(parts) => {
            parts.iter().try_for_each(|part| boolean(part, scope).map(|_| ()))?;
            Ok(Type::Bool)
        }
        Expr::Binary { first, rest } => rest
            .iter()
            .try_fold(check(first, scope)?, |left, (operator, right)| binary(*operator, &left, &check(right, scope)?)),
        Expr::Conditional { condition, yes, no } => {
            boolean(condition, scope)?;
            either(check(yes, scope)?, check(no, scope)?)
        }
    }
}

fn either(left: Type, right: Type) -> Result<Type, Fault> {
    let text = format!("found no matching overload for '_?_:_' applied to '({left}, {right})'");
    left.join(right).ok_or(Fault::Type(text))
}

fn boolean(operand: &Expr, scope: &Scope) -> Result<Type, Fault> {
    match check(operand, scope)? {
        Type::Dyn | Type::Bool => Ok(Type::Bool),
        other => fault(format!("expected type 'bool' but found '{other}'")),
    }
}

fn named(name: &str, scope: &Scope) -> Result<Type, Fault> {
    match scope.get(name) {
        Some(found) => Ok(found.clone()),
        None if TYPE_NAMES.contains(&name) => Ok(Type::Type),
        None => fault(format!("undeclared reference to '{name}' (in container '')")),
    }
}

/// The type that all have.
fn common<'e>(items: impl Iterator<Item = &'e Expr>, scope: &Scope) -> Result<Type, Fault> {
    let mut all: Option<Type> = None;
    for item in items {
        let found = check(item, scope)?;
        all = Some(match all {
            None => found,
            Some(before) => {
                let text = format!("expected type '{before}' but found '{found}'");
                before.join(found).ok_or(Fault::Type(text))?
            }
        });
    }
    Ok(all.unwrap_or(Type::Dyn))
}

fn message(name: &str, fields: &[(String, Expr)], scope: &Scope) -> Result<Type, Fault> {
    if !scope.builds(name) {
        return fault(format!("undeclared reference to '{name}' (in container '')"));
    }
    for (field, value) in fields {
        let given = check(value, scope)?;
        if name == "JSONPatch" && !json_patch_takes(field, &given) {
            return fault(format!("unexpected type '{given}' of field '{field}'"));
        }
    }
    Ok(Type::Object(name.to_owned().into()))
}

/// An operation of a JSON patch; what is below an object is checked when it is applied.
fn json_patch_takes(field: &str, given: &Type) -> bool {
    match field {
        "op" | "path" | "from" => given.is(&Type::String),
        field => field == "value",
    }
}

fn select(operand: &Expr, field: &str, optional: bool, scope: &Scope) -> Result<Type, Fault> {
    let of = match check(operand, scope)? {
        Type::Optional(inner) => return Ok(member(&inner, field)?.optional()),
        other => other,
    };
    let found = member(&of, field)?;
    Ok(if optional { found.optional() } else { found })
}

fn member(of: &Type, field: &str) -> Result<Type, Fault> {
    match of {
        Type::Dyn => Ok(Type::Dyn),
        Type::Map(value) => Ok((**value).clone()),
        Type::Struct(members) => match members.get(field) {
            Some(found) => Ok(found.clone()),
            None => fault(format!("undefined field '{field}'")),
        },
        Type::Object(name) if name == AUTHORIZER_NAME && field == "requestResource" => {
            Ok(Type::object(RESOURCE_CHECK_NAME))
        }
        // Messages that expressions build are checked when they are applied.
        Type::Object(name) if !name.contains("kubernetes") && !name.contains("net.") => Ok(Type::Dyn),
        other => fault(format!("type '{other}' does not support field selection")),
    }
}

fn index(operand: &Expr, index: &Expr, optional: bool, scope: &Scope) -> Result<Type, Fault> {
    let (of, at) = (check(operand, scope)?, check(index, scope)?);
    let (of, optional) = match of {
        Type::Optional(inner) => ((*inner).clone(), true),
        other => (other, optional),
    };
    let found = match &of {
        Type::Dyn => Type::Dyn,
        Type::List(item) if at.is_number() || at == Type::Dyn => (**item).clone(),
        Type::Map(value) => (**value).clone(),
        _ => return fault(format!("found no matching overload for '_[_]' applied to '({of}, {at})'")),
    };
    Ok(if optional { found.optional() } else { found })
}

fn binary(operator: Operator, left: &Type, right: &Type) -> Result<Type, Fault> {
    let either = || if *left == Type::Dyn { right.clone() } else { left.clone() };
    let any = *left == Type::Dyn || *right == Type::Dyn;
    let numbers = left.is_number() && right.is_number();
    let same = left.is(right) || right.is(left);
    let found = match operator {
        Operator::Equality => (same || numbers).then_some(Type::Bool),
        Operator::Order => (any || numbers || (same && is_ordered(left))).then_some(Type::Bool),
        Operator::In => match right {
            Type::List(item) => left.is(item).then_some(Type::Bool),
            other => matches!(other, Type::Dyn | Type::Map(_)).then_some(Type::Bool),
        },
        _ if any => Some(if is_time(&either()) { Type::Dyn } else { either() }),
        Operator::Add => sum(left, right),
        Operator::Subtract => difference(left, right),
        Operator::Scale => (numbers && left == right).then(|| left.clone()),
        Operator::Remainder => (left == right && matches!(left, Type::Int | Type::Uint)).then(|| left.clone()),
    };
    found.ok_or_else(|| {
        Fault::Type(format!("found no matching overload for operator {operator:?} applied to '({left}, {right})'"))
    })
}

fn is_time(of: &Type) -> bool {
    matches!(of, Type::Duration | Type::Timestamp)
}

fn is_ordered(of: &Type) -> bool {
    matches!(of, Type::Bool | Type::String | Type::Bytes) || is_time(of)
}

fn sum(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Timestamp, Type::Duration) | (Type::Duration, Type::Timestamp) => Some(Type::Timestamp),
        (Type::List(_), Type::List(_)) => left.clone().join(right.clone()),
        (Type::Int | Type::Uint | Type::Double | Type::String | Type::Bytes | Type::Duration, _) if left == right => {
            Some(left.clone())
        }
        _ => None,
    }
}

fn difference(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
        (Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Type::Int | Type::Uint | Type::Double | Type::Duration, _) if left == right => Some(left.clone()),
        _ => None,
    }
}

fn call(receiver: Option<&Expr>, function: &str, arguments: &[Expr], scope: &Scope) -> Result<Type, Fault> {
    if let Some(found) = macros(receiver, function, arguments, scope) {
        return found;
    }
    super::literals::check(function, arguments)?;
    let namespace = receiver.and_then(path_of).filter(|path| is_library(path, scope));
    if let Some(namespace) = namespace {
        return resolve(&format!("{namespace}.{function}"), None, arguments, scope);
    }
    let on = receiver.map(|receiver| check(receiver, scope)).transpose()?;
    resolve(function, on, arguments, scope)
}

/// Whether a path leads to functions. Keys of JSON patches are escaped where patches are built.
fn is_library(path: &str, scope: &Scope) -> bool {
    NAMESPACES.contains(&path) && scope.get(path).is_none() && (path != "jsonpatch" || scope.builds("JSONPatch"))
}

/// The overload that takes what is given.
fn resolve(function: &str, on: Option<Type>, arguments: &[Expr], scope: &Scope) -> Result<Type, Fault> {
    let given = arguments.iter().map(|argument| check(argument, scope)).collect::<Result<Vec<Type>, Fault>>()?;
    let mut named = FUNCTIONS.iter().filter(|row| row.0 == function && row.1.is_some() == on.is_some()).peekable();
    if named.peek().is_none() {
        return fault(format!("undeclared reference to '{function}' (in container '')"));
    }
    let fits = named.find(|row| {
        let takes = |kind: &Option<_>, of: &Option<Type>| match (kind, of) {
            (Some(kind), Some(of)) => Kind::takes(*kind, of),
            _ => true,
        };
        takes(&row.1, &on) && row.2.len() == given.len() && row.2.iter().zip(&given).all(|(kind, of)| kind.takes(of))
    });
    match fits {
        Some(_) if on == Some(Type::Dyn) => Ok(dynamic_result(function)),
        Some(row) => Ok(row.3.result(on.as_ref().or(given.first()).unwrap_or(&Type::Dyn))),
        None => fault(format!("found no matching overload for '{function}'")),
    }
}

/// What a method of something unknown gives: the type that all its overloads share.
fn dynamic_result(function: &str) -> Type {
    let results = FUNCTIONS.iter().filter(|row| row.0 == function && row.1.is_some());
    let mut results = results.map(|row| match row.1 {
        // What sorts gives back what it got.
        Some(Kind::List) if function != "sort" => row.3.result(&Type::Dyn.list()),
        _ => row.3.result(&Type::Dyn),
    });
    let first = results.next().unwrap_or(Type::Dyn);
    if results.all(|other| other == first) { first } else { Type::Dyn }
}

/// Calls that are no calls: what they stand for binds names or looks at the shape of an argument.
fn macros(receiver: Option<&Expr>, function: &str, arguments: &[Expr], scope: &Scope) -> Option<Result<Type, Fault>> {
    match (receiver, function, arguments) {
        (None, "has", [Expr::Select { operand, field, .. }]) => {
            Some(select(operand, field, false, scope).map(|_| Type::Bool))
        }
        (None, "has", _) => Some(fault("invalid argument to has() macro".to_owned())),
        (Some(Expr::Name(space)), "bind", [Expr::Name(name), value, body]) if space == "cel" && scope.binds() => {
            Some(check(value, scope).and_then(|of| check(body, &scope.with(name, of))))
        }
        (Some(range), "all" | "exists" | "exists_one" | "existsOne" | "filter" | "map" | "sortBy", [..])
        | (Some(range), "transformList" | "transformMap" | "transformMapEntry" | "optMap" | "optFlatMap", [..]) => {
            Some(comprehension(range, function, arguments, scope))
        }
        _ => None,
    }
}

/// `range.function(names…, bodies…)`: one name, or two for `all`, `exists` and the transformations.
fn comprehension(range: &Expr, function: &str, arguments: &[Expr], scope: &Scope) -> Result<Type, Fault> {
    let range = check(range, scope)?;
    let (first, second) = bound(&range, function)?;
    let wants_two = function.starts_with("transform")
        || (arguments.len() == 3 && matches!(function, "all" | "exists" | "exists_one" | "existsOne"));
    let names = if wants_two { 2 } else { 1 };
    let (names, bodies) = arguments.split_at_checked(names).ok_or_else(|| wrong_arguments(function))?;
    let mut inner = scope.clone();
    for (name, of) in names.iter().zip(if wants_two { [first, second] } else { [one(&range), Type::Dyn] }) {
        let Expr::Name(name) = name else { return Err(wrong_arguments(function)) };
        inner.add(name, of);
    }
    let [conditions @ .., last] = bodies else { return Err(wrong_arguments(function)) };
    if conditions.len() > usize::from(matches!(function, "map") || function.starts_with("transform")) {
        return Err(wrong_arguments(function));
    }
    conditions.iter().try_for_each(|condition| boolean(condition, &inner).map(|_| ()))?;
    match function {
        "all" | "exists" | "exists_one" | "existsOne" => boolean(last, &inner),
        "filter" => boolean(last, &inner).map(|_| if range == Type::Dyn { Type::Dyn } else { one(&range).list() }),
        "sortBy" => check(last, &inner).map(|_| range),
        "map" | "transformList" => Ok(check(last, &inner)?.list()),
        "optMap" => Ok(check(last, &inner)?.optional()),
        "optFlatMap" => check(last, &inner),
        _ => Ok(check(last, &inner)?.map()),
    }
}

fn wrong_arguments(function: &str) -> Fault {
    Fault::Type(format!("the {function}() macro does not take these arguments"))
}

/// What a single name stands for: items of a list, keys of a map, what is in an optional.
fn one(range: &Type) -> Type {
    match range {
        Type::List(item) | Type::Optional(item) => (**item).clone(),
        Type::Map(_) => Type::String,
        _ => Type::Dyn,
    }
}

/// What two names stand for: index and item, or key and value.
fn bound(range: &Type, function: &str) -> Result<(Type, Type), Fault> {
    match range {
        Type::Dyn => Ok((Type::Dyn, Type::Dyn)),
        Type::List(item) => Ok((Type::Int, (**item).clone())),
        Type::Map(value) => Ok((Type::String, (**value).clone())),
        Type::Optional(_) if function.starts_with("opt") => Ok((Type::Dyn, Type::Dyn)),
        other => fault(format!("expression of type '{other}' cannot be range of a comprehension")),
    }
}
