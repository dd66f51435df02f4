//! The wire format: tags, lengths and numbers (protobuf encoding, "Message Structure").

use super::syntax;
use crate::DecodeError;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub tag: u16,
    pub payload: Payload<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The entries of a message in the order written. Tags that no field table can have are passed over.
pub(super) fn entries(mut bytes: &[u8]) -> Result<Vec<Entry<'_>>, DecodeError> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let payload = match key & 7 {
            0 => Payload::Varint(varint(&mut bytes)?),
            1 => Payload::Fixed64(u64::from_le_bytes(fixed(&mut bytes)?)),
            2 => {
                let length = varint(&mut bytes)?;
                Payload::Bytes(take(&mut bytes, length)?)
            }
            5 => {
                fixed::<4>(&mut bytes)?;
                Payload::Fixed32
            }
            other => return Err(syntax(format!("wire type {other} is not used by the API"))),
        };
        if let Ok(tag) = u16::try_from(key >> 3) {
            found.push(Entry { tag, payload });
        }
    }
    Ok(found)
}

/// Numbers packed into one payload.
pub(super) fn packed(mut bytes: &[u8]) -> Result<Vec<u64>, DecodeError> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(varint(&mut bytes)?);
    }
    Ok(numbers)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut number = 0_u64;
    for at in 0..10 {
        let Some((byte, rest)) = bytes.split_first() else { return Err(cut_off()) };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(syntax("a number is longer than ten bytes"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], DecodeError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len()).ok_or_else(cut_off)?;
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    Ok(taken)
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let taken = take(bytes, N as u64)?;
    taken.try_into().map_err(|_| cut_off())
}

fn cut_off() -> DecodeError {
    syntax("the protobuf is cut off")
}
