//! The grammar of label selectors.

use std::collections::BTreeSet;

use super::{Requirement, SelectorError, checked_in, checked_key};

/// All requirements of a selector.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, text };
    let mut requirements = Vec::new();
    while !parser.done() {
        requirements.push(parser.requirement()?);
        if !parser.done() {
            parser.expect(&Token::Comma)?;
            if parser.done() {
                return Err(SelectorError::Syntax(format!("{text:?} ends with a comma")));
            }
        }
    }
    Ok(requirements)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Comma,
    Open,
    Close,
    Not,
    Equal,
    NotEqual,
    Greater,
    Less,
}

fn lex(text: &str) -> Result<Vec<Token>, SelectorError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '=' => (Token::Equal, 1),
            '!' if rest.starts_with("!=") => (Token::NotEqual, 2),
            '!' => (Token::Not, 1),
            '>' => (Token::Greater, 1),
            '<' => (Token::Less, 1),
            _ => {
                let end = rest.find([',', '(', ')', '=', '!', '>', '<', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        if used == 0 {
            return Err(SelectorError::Syntax(format!("unexpected {first:?} in {text:?}")));
        }
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    text: &'a str,
}

impl Parser<'_> {
    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn syntax(&self, what: &str) -> SelectorError {
        SelectorError::Syntax(format!("{what} in {:?}", self.text))
    }

    fn expect(&mut self, token: &Token) -> Result<(), SelectorError> {
        if self.next().as_ref() == Some(token) { Ok(()) } else { Err(self.syntax(&format!("expected {token:?}"))) }
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        match self.next() {
            Some(Token::Word(key)) => checked_key(&key),
            _ => Err(self.syntax("expected a key")),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if self.tokens.get(self.at) == Some(&Token::Not) {
            self.at += 1;
            return Ok(Requirement::Absent(self.key()?));
        }
        let key = self.key()?;
        match self.tokens.get(self.at).cloned() {
            None | Some(Token::Comma) => Ok(Requirement::Exists(key)),
            Some(Token::Equal) => {
                self.at += 1;
                checked_in(&key, [self.value()].into())
            }
            Some(Token::NotEqual) => {
                self.at += 1;
                negate(checked_in(&key, [self.value()].into())?)
            }
            Some(Token::Greater) => {
                self.at += 1;
                Ok(Requirement::Greater(key, self.number()?))
            }
            Some(Token::Less) => {
                self.at += 1;
                Ok(Requirement::Less(key, self.number()?))
            }
            Some(Token::Word(word)) if word == "in" => {
                self.at += 1;
                checked_in(&key, self.values()?)
            }
            Some(Token::Word(word)) if word == "notin" => {
                self.at += 1;
                negate(checked_in(&key, self.values()?)?)
            }
            Some(_) => Err(self.syntax("expected an operator")),
        }
    }

    /// The value after an operator; absent (before a comma or the end) means empty.
    fn value(&mut self) -> String {
        match self.tokens.get(self.at) {
            Some(Token::Word(value)) => {
                self.at += 1;
                value.clone()
            }
            _ => String::new(),
        }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.value();
        // A sign is no part of a label's value.
        let digits = value.starts_with(|c: char| c.is_ascii_digit()).then_some(value.as_str());
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| self.syntax("for '>' and '<' the value must be an integer"))
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        self.expect(&Token::Open)?;
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value());
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                _ => return Err(self.syntax("expected ',' or ')'")),
            }
        }
    }
}

fn negate(requirement: Requirement) -> Result<Requirement, SelectorError> {
    match requirement {
        Requirement::In(key, values) => Ok(Requirement::NotIn(key, values)),
        other => Ok(other),
    }
}
