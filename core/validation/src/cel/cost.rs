//! What an expression may cost to evaluate, given how large its data may be.
//!
//! The figures are the reference's (one for a step, a tenth for a byte of text), and never more than it would estimate:
//! where it knows more than is known here, less is counted. What is refused for its cost is refused there too.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ast::{Expr, Operator},
    lexer, parser,
};

const LIST: u64 = 10;
const MAP: u64 = 30;
const MESSAGE: u64 = 40;
/// Functions that read their receiver once.
const READERS: [&str; 8] = ["find", "findAll", "lowerAscii", "replace", "reverse", "substring", "trim", "upperAscii"];

/// How large a value may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extent {
    /// One step to read.
    Scalar,
    /// Bytes.
    Text(u64),
    /// Items, and how large each may be.
    List(u64, Arc<Extent>),
    /// Members, and how large the value of each may be.
    Map(u64, Arc<Extent>),
    Struct(Arc<BTreeMap<String, Extent>>),
    Unknown,
}

impl Extent {
    fn elements(&self) -> u64 {
        match self {
            Self::Scalar => 1,
            Self::Text(most) | Self::List(most, _) | Self::Map(most, _) => *most,
            Self::Struct(_) | Self::Unknown => 0,
        }
    }

    /// Of what `self[i]` gives.
    fn item(&self) -> Extent {
        match self {
            Self::List(_, item) | Self::Map(_, item) => (**item).clone(),
            _ => Self::Unknown,
        }
    }

    /// Of what a variable that ranges over this stands for: an item of a list, a key of a map.
    fn ranged(&self) -> Extent {
        match self {
            Self::List(_, item) => (**item).clone(),
            _ => Self::Unknown,
        }
    }

    /// Of comparing each item of a list with the next, or of reading a text.
    fn comparison(&self) -> u64 {
        match self {
            Self::List(most, item) => {
                let bytes = if let Self::Text(bytes) = **item { bytes } else { 0 };
                most.saturating_mul(traversal(bytes).saturating_add(1))
            }
            Self::Text(bytes) => traversal(*bytes),
            _ => 1,
        }
    }

    fn member(&self, name: &str) -> Extent {
        match self {
            Self::Struct(members) => members.get(name).cloned().unwrap_or(Self::Unknown),
            Self::Map(_, value) => (**value).clone(),
            _ => Self::Unknown,
        }
    }
}

/// The cost of an expression that compiles, each name with the extent of its value. Zero for one that does not.
pub fn cost(text: &str, names: &[(&str, Extent)]) -> u64 {
    let names = names.iter().map(|(name, extent)| ((*name).to_owned(), extent.clone())).collect();
    let parsed = lexer::tokens(text).and_then(|tokens| parser::parse(tokens, text.len()));
    parsed.map_or(0, |expression| Coster { names }.of(&expression).0)
}

/// A tenth for each byte, rounded up.
fn traversal(bytes: u64) -> u64 {
    bytes.div_ceil(10)
}

struct Coster {
    /// Inner names last.
    names: Vec<(String, Extent)>,
}

impl Coster {
    /// Cost of an expression and extent of what it comes to.
    fn of(&mut self, expression: &Expr) -> (u64, Extent) {
        match expression {
            Expr::Null | Expr::Bool | Expr::Int | Expr::Uint | Expr::Double => (0, Extent::Scalar),
            // A literal has a byte at least; how many more is not kept.
            Expr::String(_) | Expr::Bytes => (0, Extent::Text(1)),
            Expr::Name(name) => (1, self.named(name)),
            Expr::Select { operand, field, .. } => {
                let (cost, of) = self.of(operand);
                (cost.saturating_add(1), of.member(field))
            }
            Expr::Index { operand, index, .. } => {
                let (cost, of) = self.of(operand);
                (cost.saturating_add(self.of(index).0).saturating_add(1), of.item())
            }
            Expr::Call { receiver, function, arguments } => self.call(receiver.as_deref(), function, arguments),
            Expr::List(items) => {
                let cost = items.iter().fold(LIST, |sum, item| sum.saturating_add(self.of(item).0));
                (cost, Extent::List(items.len() as u64, Arc::new(Extent::Unknown)))
            }
            Expr::Map(entries) => {
                let both = entries.iter().flat_map(|(key, value)| [key, value]);
                (both.fold(MAP, |sum, part| sum.saturating_add(self.of(part).0)), Extent::Unknown)
            }
            Expr::Message { fields, .. } => {
                (fields.iter().fold(MESSAGE, |sum, (_, value)| sum.saturating_add(self.of(value).0)), Extent::Unknown)
            }
            Expr::Not(operand) | Expr::Negate(operand) => (self.of(operand).0.saturating_add(1), Extent::Scalar),
            Expr::Logic(parts) => {
                (parts.iter().fold(0, |sum: u64, part| sum.saturating_add(self.of(part).0)), Extent::Scalar)
            }
            Expr::Binary { first, rest } => self.binary(first, rest),
            Expr::Conditional { condition, yes, no } => {
                let (yes, no) = (self.of(yes), self.of(no));
                (self.of(condition).0.saturating_add(yes.0.max(no.0)), Extent::Unknown)
            }
        }
    }

    fn named(&self, name: &str) -> Extent {
        let found = self.names.iter().rev().find(|(known, _)| known == name);
        found.map_or(Extent::Unknown, |(_, extent)| extent.clone())
    }

    fn binary(&mut self, first: &Expr, rest: &[(Operator, Expr)]) -> (u64, Extent) {
        rest.iter().fold(self.of(first), |(cost, left), (operator, right)| {
            let (more, right) = self.of(right);
            let (own, result) = match operator {
                Operator::Equality | Operator::Order => {
                    (traversal(left.elements().min(right.elements())), Extent::Scalar)
                }
                Operator::In => (if matches!(right, Extent::List(..)) { right.elements() } else { 1 }, Extent::Scalar),
                Operator::Add => match (&left, &right) {
                    (Extent::Text(one), Extent::Text(two)) => {
                        let bytes = one.saturating_add(*two);
                        (traversal(bytes), Extent::Text(bytes))
                    }
                    _ => (1, Extent::Unknown),
                },
                Operator::Subtract | Operator::Scale | Operator::Remainder => (1, Extent::Scalar),
            };
            (cost.saturating_add(more).saturating_add(own), result)
        })
    }

    fn call(&mut self, receiver: Option<&Expr>, function: &str, arguments: &[Expr]) -> (u64, Extent) {
        match (receiver, function, arguments) {
            (Some(range), "all" | "exists" | "exists_one" | "existsOne" | "filter" | "map", [_, _, ..]) => {
                self.comprehension(range, function, arguments)
            }
            (Some(Expr::Name(name)), "bind", [Expr::Name(bound), init, body]) if name == "cel" => {
                let (cost, extent) = self.of(init);
                self.names.push((bound.clone(), extent));
                let (body, result) = self.of(body);
                self.names.pop();
                (LIST.saturating_add(cost).saturating_add(body), result)
            }
            (None, "dyn", [argument]) => {
                let (cost, extent) = self.of(argument);
                (cost.saturating_add(1), extent)
            }
            _ => self.plain_call(receiver, function, arguments),
        }
    }

    fn plain_call(&mut self, receiver: Option<&Expr>, function: &str, arguments: &[Expr]) -> (u64, Extent) {
        let (mut cost, target) = receiver.map_or((0, Extent::Unknown), |receiver| self.of(receiver));
        let arguments: Vec<(u64, Extent)> = arguments.iter().map(|argument| self.of(argument)).collect();
        cost = arguments.iter().fold(cost, |sum, (one, _)| sum.saturating_add(*one));
        let bytes = target.elements();
        let argument = arguments.first().map_or(0, |(_, extent)| extent.elements());
        let (own, result) = match function {
            "matches" => (traversal(bytes.saturating_add(1)).saturating_mul(argument.div_ceil(4)), Extent::Scalar),
            "contains" => (traversal(bytes).saturating_mul(traversal(argument)), Extent::Scalar),
            "startsWith" | "endsWith" => (traversal(argument), Extent::Scalar),
            "split" => (traversal(bytes).max(1), Extent::List(bytes, Arc::new(Extent::Unknown))),
            reader if READERS.contains(&reader) => (traversal(bytes).max(1), Extent::Unknown),
            "indexOf" | "isSorted" | "lastIndexOf" | "max" | "min" | "sum" => (target.comparison(), Extent::Unknown),
            "size" => (1, Extent::Scalar),
            _ => (1, Extent::Unknown),
        };
        (cost.saturating_add(own), result)
    }

    /// A loop: its steps as often as its range is long.
    fn comprehension(&mut self, range: &Expr, function: &str, arguments: &[Expr]) -> (u64, Extent) {
        let (cost, extent) = self.of(range);
        let two_names = arguments.len() == 3 && matches!(arguments[1], Expr::Name(_)) && function != "map";
        let names: Vec<(&Expr, Extent)> = match two_names {
            true => vec![(&arguments[0], Extent::Scalar), (&arguments[1], extent.item())],
            false => vec![(&arguments[0], extent.ranged())],
        };
        let outer = self.names.len();
        for (name, of) in &names {
            if let Expr::Name(name) = name {
                self.names.push((name.clone(), of.clone()));
            }
        }
        let steps: u64 = arguments[names.len()..].iter().fold(0, |sum, step| sum.saturating_add(self.of(step).0));
        self.names.truncate(outer);
        // What each turn costs besides: the test whether to go on, and the name of what was found so far.
        let (start, turn, end) = match function {
            "all" => (0, 3, 1),
            "exists" => (0, 4, 1),
            "exists_one" | "existsOne" => (0, 2, 2),
            _ => (LIST, LIST + 2, 1),
        };
        let turns = extent.elements().saturating_mul(steps.saturating_add(turn));
        let result = match function {
            "map" => Extent::List(extent.elements(), Arc::new(Extent::Unknown)),
            "filter" => Extent::List(extent.elements(), Arc::new(extent.ranged())),
            _ => Extent::Scalar,
        };
        (cost.saturating_add(start + end).saturating_add(turns), result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> u64 {
        let words = Extent::List(10, Arc::new(Extent::Text(20)));
        let members = BTreeMap::from([("words".to_owned(), words), ("name".to_owned(), Extent::Text(1000))]);
        cost(text, &[("self", Extent::Struct(Arc::new(members)))])
    }

    #[test]
    fn costs_grow_with_the_data() {
        for (text, expected) in [
            ("true", 0),
            ("self.name == 'x'", 3),
            ("self.name == self.name", 104),
            ("self.name.matches('a')", 103),
            ("self.words.size() > 3", 4),
            ("self.words.all(w, w == 'x')", 2 + 1 + 10 * 5),
            ("self.words.all(w, self.words.exists(v, v == w))", 2 + 1 + 10 * (3 + 2 + 1 + 10 * (4 + 4))),
            ("'a' in self.words", 12),
            ("self.words.isSorted()", 2 + 10 * 3),
            ("self.name.split(',').all(x, x == 'y')", 2 + 100 + 1 + 1000 * 4),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_larger_than_any_number_stays_at_the_largest() {
        let mut lists = Extent::Text(u64::MAX);
        for _ in 0..3 {
            lists = Extent::List(u64::MAX, Arc::new(lists));
        }
        assert_eq!(cost("l.all(a, a.all(b, b.all(c, c == c)))", &[("l", lists)]), u64::MAX);
        assert_eq!(cost("l.(", &[]), 0, "what does not parse is not counted");
    }
}
