//! Values of protobuf that hold no others: scalars, and the small messages that JSON writes as texts and numbers.

use gantry_kinds::Shape;
use gantry_meta::{Value, time};
use jiff::Timestamp;

use super::super::{path::Path, scalar};
use crate::{
    DecodeError, canonical,
    wire::{Payload, Reader, malformed},
};

/// The second that Go's zero time stands for: it counts as unset.
const ZERO_TIME_SECONDS: i64 = -62_135_596_800;

pub(super) fn bytes(payload: Payload<'_>) -> Result<&[u8], DecodeError> {
    if let Payload::Bytes(bytes) = payload { Ok(bytes) } else { Err(malformed("a number where bytes are expected")) }
}

pub(super) fn number_of(payload: Payload<'_>) -> Result<u64, DecodeError> {
    if let Payload::Varint(value) = payload { Ok(value) } else { Err(malformed("no varint where one is expected")) }
}

/// Bytes that are not UTF-8 become U+FFFD, as in JSON.
pub(super) fn text(payload: Payload<'_>) -> Result<Value, DecodeError> {
    Ok(Value::String(String::from_utf8_lossy(bytes(payload)?).into_owned()))
}

/// Numbers wider than their type lose the upper bits, as the wire form's rules say.
pub(super) fn number(shape: &Shape, payload: Payload<'_>) -> Result<Value, DecodeError> {
    Ok(match (shape, payload) {
        (Shape::Double, Payload::Fixed64(bits)) => canonical::double(f64::from_bits(bits)),
        (Shape::Bool, Payload::Varint(bits)) => Value::Bool(bits != 0),
        (Shape::Int32, Payload::Varint(bits)) => Value::from(bits as i32),
        (Shape::Int64, Payload::Varint(bits)) => Value::from(bits as i64),
        _ => return Err(malformed("a value is not of the field's wire type")),
    })
}

pub(super) fn unpack(shape: &Shape, packed: &[u8], items: &mut Vec<Value>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(packed);
    while !reader.is_empty() {
        let payload = match shape {
            Shape::Double => Payload::Fixed64(reader.fixed64()?),
            _ => Payload::Varint(reader.varint()?),
        };
        items.push(number(shape, payload)?);
    }
    Ok(())
}

/// An empty text is zero.
pub(super) fn quantity(payload: Payload<'_>, in_resource_list: bool, path: &Path<'_>) -> Result<Value, DecodeError> {
    let mut given = "0".into();
    let mut reader = Reader::new(bytes(payload)?);
    while let Some((number, payload)) = reader.field()? {
        match bytes(payload)? {
            b"" => {}
            text if number == 1 => given = String::from_utf8_lossy(text),
            _ => {}
        }
    }
    let normal = scalar::quantity(&given, in_resource_list);
    Ok(Value::String(normal.ok_or_else(|| mismatch(path, "quantity"))?.into_owned()))
}

pub(super) fn int_or_string(payload: Payload<'_>, path: &Path<'_>) -> Result<Value, DecodeError> {
    let (mut kind, mut int, mut string) = (0, 0_i32, Value::String(String::new()));
    let mut reader = Reader::new(bytes(payload)?);
    while let Some((number, payload)) = reader.field()? {
        match number {
            1 => kind = number_of(payload)?,
            2 => int = number_of(payload)? as i32,
            3 => string = text(payload)?,
            _ => {}
        }
    }
    match kind {
        0 => Ok(Value::from(int)),
        1 => Ok(string),
        _ => Err(mismatch(path, "int32 or string")),
    }
}

pub(super) fn time_of(shape: &Shape, message: &[u8], path: &Path<'_>) -> Result<Option<Value>, DecodeError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    let mut reader = Reader::new(message);
    while let Some((number, payload)) = reader.field()? {
        match number {
            1 => seconds = number_of(payload)? as i64,
            2 => nanos = number_of(payload)? as i32,
            _ => {}
        }
    }
    if message.is_empty() || (seconds, nanos) == (ZERO_TIME_SECONDS, 0) {
        return Ok(None);
    }
    let nanos = if matches!(shape, Shape::MicroTime) { nanos } else { 0 };
    let at = Timestamp::new(seconds, nanos).ok().filter(|at| at.as_second() >= ZERO_TIME_SECONDS);
    let at = at.ok_or_else(|| mismatch(path, "time"))?;
    Ok(Some(Value::String(match shape {
        Shape::MicroTime => time::format_micro_time(at),
        _ => time::format_time(at),
    })))
}

pub(super) fn mismatch(path: &Path<'_>, expected: &str) -> DecodeError {
    DecodeError::Type(format!("{path}: expected {expected}, found another value"))
}
