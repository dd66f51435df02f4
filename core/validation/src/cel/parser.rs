//! Tokens to an expression, by recursive descent.

use super::{
    Fault,
    ast::{Expr, Operator},
    lexer::{RESERVED, Spot, Token},
};

/// How deep expressions may nest.
const MAX_DEPTH: usize = 64;
/// How many fields, indexes and calls an expression may have: each is one level more of the tree.
const MAX_STEPS: usize = 500;

struct Parser {
    tokens: Vec<Spot>,
    at: usize,
    depth: usize,
    steps: usize,
    end: usize,
}

/// All tokens are one expression.
pub(super) fn parse(tokens: Vec<Spot>, end: usize) -> Result<Expr, Fault> {
    let mut parser = Parser { tokens, at: 0, depth: 0, steps: 0, end };
    let expression = parser.expression()?;
    if parser.at < parser.tokens.len() { Err(parser.unexpected()) } else { Ok(expression) }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn unexpected(&self) -> Fault {
        let (what, at) = match self.tokens.get(self.at) {
            Some((token, at)) => (format!("unexpected {token:?}"), *at),
            None => ("unexpected end of the expression".to_owned(), self.end),
        };
        Fault::Syntax { at, what }
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.takes(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expression(&mut self) -> Result<Expr, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Type(format!("expression nests deeper than {MAX_DEPTH} levels")));
        }
        let expression = self.conditional();
        self.depth -= 1;
        expression
    }

    fn conditional(&mut self) -> Result<Expr, Fault> {
        let condition = self.any_of()?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let yes = Box::new(self.any_of()?);
        self.expect(":")?;
        let no = Box::new(self.expression()?);
        Ok(Expr::Conditional { condition: Box::new(condition), yes, no })
    }

    fn any_of(&mut self) -> Result<Expr, Fault> {
        self.chain("||", Self::all_of)
    }

    fn all_of(&mut self) -> Result<Expr, Fault> {
        self.chain("&&", Self::relation)
    }

    fn chain(&mut self, symbol: &str, part: fn(&mut Self) -> Result<Expr, Fault>) -> Result<Expr, Fault> {
        let first = part(self)?;
        if !matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes(symbol) {
            parts.push(part(self)?);
        }
        Ok(Expr::Logic(parts))
    }

    fn relation(&mut self) -> Result<Expr, Fault> {
        self.binary(relation_operator, Self::sum)
    }

    fn sum(&mut self) -> Result<Expr, Fault> {
        self.binary(sum_operator, Self::product)
    }

    fn product(&mut self) -> Result<Expr, Fault> {
        self.binary(product_operator, Self::unary)
    }

    fn binary(
        &mut self,
        operator_of: fn(&Token) -> Option<Operator>,
        part: fn(&mut Self) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.peek().and_then(operator_of) {
            self.at += 1;
            rest.push((operator, part(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Binary { first: Box::new(first), rest } })
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let count = |parser: &mut Self, symbol: &str| std::iter::from_fn(|| parser.takes(symbol).then_some(())).count();
        let (not, minus) = (count(self, "!"), count(self, "-"));
        let operand = Box::new(self.member()?);
        Ok(match (not, minus) {
            (0, 0) => *operand,
            (0, _) => Expr::Negate(operand),
            (_, 0) => Expr::Not(operand),
            _ => return Err(self.unexpected()),
        })
    }

    fn member(&mut self) -> Result<Expr, Fault> {
        let mut operand = self.primary()?;
        loop {
            operand = match self.peek() {
                Some(Token::Symbol("." | ".?")) => self.select(operand)?,
                Some(Token::Symbol("[" | "[?")) => {
                    let optional = !self.takes("[") && self.takes("[?");
                    let index = Box::new(self.expression()?);
                    self.expect("]")?;
                    Expr::Index { operand: Box::new(operand), index, optional }
                }
                Some(Token::Symbol("{")) if path_of(&operand).is_some() => self.message(&operand)?,
                _ => return Ok(operand),
            };
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Fault::Type(format!("more than {MAX_STEPS} fields, indexes and calls")));
            }
        }
    }

    fn select(&mut self, operand: Expr) -> Result<Expr, Fault> {
        let optional = !self.takes(".") && self.takes(".?");
        let (field, quoted) = match self.peek() {
            Some(Token::Name(name)) if !matches!(&**name, "in" | "true" | "false" | "null") => (name.clone(), false),
            Some(Token::Quoted(name)) => (name.clone(), true),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        if !quoted && !optional && self.takes("(") {
            let arguments = self.items(")")?;
            return Ok(Expr::Call { receiver: Some(Box::new(operand)), function: field, arguments });
        }
        Ok(Expr::Select { operand: Box::new(operand), field, optional })
    }

    /// Expressions up to the closing symbol; a comma may end them.
    fn items(&mut self, close: &str) -> Result<Vec<Expr>, Fault> {
        let mut items = Vec::new();
        while !self.takes(close) {
            if close == "]" {
                self.takes("?");
            }
            items.push(self.expression()?);
            if !self.takes(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn message(&mut self, name: &Expr) -> Result<Expr, Fault> {
        let name = path_of(name).ok_or_else(|| self.unexpected())?;
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.takes("}") {
            self.takes("?");
            let field = match self.peek() {
                Some(Token::Name(field) | Token::Quoted(field)) => field.clone(),
                _ => return Err(self.unexpected()),
            };
            self.at += 1;
            self.expect(":")?;
            fields.push((field, self.expression()?));
            if !self.takes(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Message { name, fields })
    }

    fn entries(&mut self) -> Result<Expr, Fault> {
        let mut entries = Vec::new();
        while !self.takes("}") {
            self.takes("?");
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.takes(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Map(entries))
    }

    fn primary(&mut self) -> Result<Expr, Fault> {
        self.takes(".");
        let token = self.peek().cloned().ok_or_else(|| self.unexpected())?;
        self.at += 1;
        match token {
            Token::Int => Ok(Expr::Int),
            Token::Uint => Ok(Expr::Uint),
            Token::Double => Ok(Expr::Double),
            Token::String(text) => Ok(Expr::String(text)),
            Token::Bytes => Ok(Expr::Bytes),
            Token::Name(name) => self.name(name),
            Token::Symbol("(") => {
                let inside = self.expression()?;
                self.expect(")")?;
                Ok(inside)
            }
            Token::Symbol("[") => Ok(Expr::List(self.items("]")?)),
            Token::Symbol("[?") => {
                self.at -= 1;
                self.tokens[self.at].0 = Token::Symbol("?");
                Ok(Expr::List(self.items("]")?))
            }
            Token::Symbol("{") => self.entries(),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }

    fn name(&mut self, name: String) -> Result<Expr, Fault> {
        match &*name {
            "true" | "false" => Ok(Expr::Bool),
            "null" => Ok(Expr::Null),
            _ if RESERVED.contains(&&*name) => {
                self.at -= 1;
                Err(Fault::Type(format!("reserved identifier: {name}")))
            }
            _ if self.takes("(") => Ok(Expr::Call { receiver: None, function: name, arguments: self.items(")")? }),
            _ => Ok(Expr::Name(name)),
        }
    }
}

/// The dotted name that an expression spells.
pub(super) fn path_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Name(name) => Some(name.clone()),
        Expr::Select { operand, field, optional: false } => Some(format!("{}.{field}", path_of(operand)?)),
        _ => None,
    }
}

fn relation_operator(token: &Token) -> Option<Operator> {
    match token {
        Token::Symbol("==" | "!=") => Some(Operator::Equality),
        Token::Symbol("<" | "<=" | ">" | ">=") => Some(Operator::Order),
        Token::Name(name) if name == "in" => Some(Operator::In),
        _ => None,
    }
}

fn sum_operator(token: &Token) -> Option<Operator> {
    match token {
        Token::Symbol("+") => Some(Operator::Add),
        Token::Symbol("-") => Some(Operator::Subtract),
        _ => None,
    }
}

fn product_operator(token: &Token) -> Option<Operator> {
    match token {
        Token::Symbol("*" | "/") => Some(Operator::Scale),
        Token::Symbol("%") => Some(Operator::Remainder),
        _ => None,
    }
}
