//! The front end of CEL, the Common Expression Language of policies, definitions and devices: syntax and types.
//!
//! Nothing is evaluated here. An expression is fine if it parses, names only what its surroundings declare, calls
//! functions that exist with arguments they take, comes to the type that is wanted, and cannot cost too much.

mod ast;
mod check;
mod cost;
mod functions;
mod lexer;
mod literals;
mod parser;
mod scope;
mod types;

pub use cost::{Extent, cost};
pub use scope::Scope;
pub use types::Type;

use thiserror::Error;

/// Longest expression, in bytes.
const MAX_BYTES: usize = 100_000;

/// Why an expression cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Fault {
    #[error("compilation failed: the expression has {0} bytes, at most 100000 are allowed")]
    TooLong(usize),
    /// `at` counts bytes from 0.
    #[error("compilation failed: Syntax error at byte {at}: {what}")]
    Syntax { at: usize, what: String },
    #[error("compilation failed: {0}")]
    Type(String),
    /// It compiles, and can still not be run.
    #[error("program instantiation failed: {0}")]
    Program(String),
}

/// The type of an expression.
///
/// # Errors
/// It does not parse, or its parts do not fit together.
pub fn compile(text: &str, scope: &Scope) -> Result<Type, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::TooLong(text.len()));
    }
    let expression = parser::parse(lexer::tokens(text)?, text.len())?;
    check::check(&expression, scope)
}

/// True for a name that an expression can use.
pub fn is_identifier(text: &str) -> bool {
    lexer::is_identifier(text) && !lexer::RESERVED.contains(&text)
}

#[cfg(test)]
mod tests;
