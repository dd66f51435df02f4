//! What an expression is made of.

/// One expression. Operators of one kind stand in a flat list, so that a long chain is not a deep tree.
#[derive(Debug)]
pub(super) enum Expr {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    /// Its text, where it is written as it is.
    String(Option<String>),
    Bytes,
    Name(String),
    /// `operand.field`; `optional` for `operand.?field`.
    Select {
        operand: Box<Expr>,
        field: String,
        optional: bool,
    },
    /// `operand[index]`; `optional` for `operand[?index]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    /// `function(…)` or `receiver.function(…)`.
    Call {
        receiver: Option<Box<Expr>>,
        function: String,
        arguments: Vec<Expr>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// `Name{field: …}`
    Message {
        name: String,
        fields: Vec<(String, Expr)>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    /// `&&` or `||` between all.
    Logic(Vec<Expr>),
    /// Operators of one rank, from left to right.
    Binary {
        first: Box<Expr>,
        rest: Vec<(Operator, Expr)>,
    },
    Conditional {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    /// `==`, `!=`
    Equality,
    /// `<`, `<=`, `>`, `>=`
    Order,
    In,
    Add,
    Subtract,
    /// `*`, `/`
    Scale,
    Remainder,
}
