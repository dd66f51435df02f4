//! Text to tokens.

use super::Fault;

/// Words that are no names.
pub(super) const RESERVED: [&str; 22] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "__reserved__",
];

/// Two characters before one: the longest wins.
const SYMBOLS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "!", "<", ">", "+", "-", "*",
    "/", "%", ".?", "[?",
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Name(String),
    /// A field in backquotes.
    Quoted(String),
    Int,
    Uint,
    Double,
    /// Its text, where it has no escapes.
    String(Option<String>),
    Bytes,
    Symbol(&'static str),
}

/// A token and where it begins.
pub(super) type Spot = (Token, usize);

pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn tokens(text: &str) -> Result<Vec<Spot>, Fault> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => at += 1,
            b'/' if text[at..].starts_with("//") => at += text[at..].find('\n').unwrap_or(text.len() - at),
            _ => {
                let (token, end) = token(text, at)?;
                found.push((token, at));
                at = end;
            }
        }
    }
    Ok(found)
}

fn fault(at: usize, what: &str) -> Fault {
    Fault::Syntax { at, what: what.to_owned() }
}

/// The token that begins at `at`, and where it ends.
fn token(text: &str, at: usize) -> Result<Spot, Fault> {
    let rest = &text[at..];
    if let Some(literal) = string(text, at)? {
        return Ok(literal);
    }
    let byte = rest.as_bytes()[0];
    if byte.is_ascii_digit() || (byte == b'.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)) {
        return number(rest, at);
    }
    if byte == b'`' {
        let end = rest[1..].find('`').ok_or_else(|| fault(at, "a quoted field does not end"))?;
        return Ok((Token::Quoted(rest[1..=end].to_owned()), at + end + 2));
    }
    let word = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if word > 0 {
        return Ok((Token::Name(rest[..word].to_owned()), at + word));
    }
    let symbol = SYMBOLS.iter().filter(|symbol| rest.starts_with(**symbol)).max_by_key(|symbol| symbol.len());
    match symbol {
        Some(symbol) => Ok((Token::Symbol(symbol), at + symbol.len())),
        None => Err(fault(at, "token recognition error")),
    }
}

fn number(rest: &str, at: usize) -> Result<Spot, Fault> {
    let (token, length) = match rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        Some(digits) => {
            let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
            let fits = u64::from_str_radix(&digits[..length], 16).is_ok();
            (fits.then_some(Token::Int), length + 2)
        }
        None => decimal(rest),
    };
    let token = token.ok_or_else(|| fault(at, "invalid number literal"))?;
    match (token, rest.as_bytes().get(length)) {
        (Token::Int, Some(b'u' | b'U')) => Ok((Token::Uint, at + length + 1)),
        (token, _) => Ok((token, at + length)),
    }
}

/// What decimal digits are, if they are a number, and how many bytes they take.
fn decimal(rest: &str) -> (Option<Token>, usize) {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let mut length = whole;
    if rest[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    if length > whole {
        return (rest[..length].parse::<f64>().is_ok().then_some(Token::Double), length);
    }
    (rest[..length].parse::<u64>().is_ok().then_some(Token::Int), length)
}

/// A text or bytes literal, with its prefix, if there is one.
fn string(text: &str, at: usize) -> Result<Option<Spot>, Fault> {
    let rest = &text[at..];
    let prefix = rest.bytes().take(2).take_while(|b| b"rRbB".contains(b)).count();
    let body = &rest[prefix..];
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote)) else {
        return Ok(None);
    };
    let (raw, bytes) = (rest[..prefix].contains(['r', 'R']), rest[..prefix].contains(['b', 'B']));
    let inside = &body[quote.len()..];
    let length =
        quoted(inside, quote, raw).map_err(|(offset, what)| fault(at + prefix + quote.len() + offset, what))?;
    let end = at + prefix + 2 * quote.len() + length;
    let as_it_is = raw || !inside[..length].contains('\\');
    let text = as_it_is.then(|| inside[..length].to_owned());
    Ok(Some((if bytes { Token::Bytes } else { Token::String(text) }, end)))
}

/// Bytes up to the closing quote.
fn quoted(inside: &str, quote: &str, raw: bool) -> Result<usize, (usize, &'static str)> {
    let mut at = 0;
    while let Some(next) = inside[at..].chars().next() {
        match next {
            _ if inside[at..].starts_with(quote) => return Ok(at),
            '\\' if !raw => at += escape(&inside[at..]).ok_or((at, "invalid escape sequence"))?,
            '\n' | '\r' if quote.len() == 1 => return Err((at, "a line ends within a string")),
            other => at += other.len_utf8(),
        }
    }
    Err((at, "a string does not end"))
}

/// Length of the escape sequence that begins with the backslash.
fn escape(text: &str) -> Option<usize> {
    let hexadecimal = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        (digits == 2 || char::from_u32(code).is_some()).then_some(2 + digits)
    };
    match text.as_bytes().get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'?' | b'"' | b'\'' | b'`' => Some(2),
        b'x' | b'X' => hexadecimal(2),
        b'u' => hexadecimal(4),
        b'U' => hexadecimal(8),
        b'0'..=b'3' => text.get(2..4)?.bytes().all(|b| (b'0'..=b'7').contains(&b)).then_some(4),
        _ => None,
    }
}
