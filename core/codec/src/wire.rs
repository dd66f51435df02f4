//! The wire form of protobuf: keys, varints and lengths.

use crate::DecodeError;

/// What begins every body and every stored or watched object in protobuf.
pub(crate) const MAGIC: &[u8; 4] = b"k8s\0";

/// Field numbers of the envelope, `runtime.Unknown`.
pub(crate) mod envelope {
    pub const TYPE_META: u32 = 1;
    pub const RAW: u32 = 2;
    pub const CONTENT_ENCODING: u32 = 3;
    pub const CONTENT_TYPE: u32 = 4;
    /// In `TYPE_META`.
    pub const API_VERSION: u32 = 1;
    /// In `TYPE_META`.
    pub const KIND: u32 = 2;
}

/// The only field of `RawExtension`, `FieldsV1`, `JSON`, of quantities and of lists that are messages of their own.
pub(crate) const ONLY: u32 = 1;

/// A field's value as it lies in the message. What the bits mean depends on the field's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Payload<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    Fixed32(u32),
}

/// Splits a message into its fields, without copying. Every length is checked against what is there.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub fn new(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's number and value; `None` at the end.
    pub fn field(&mut self) -> Result<Option<(u32, Payload<'b>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let number = number.ok_or_else(|| malformed("a field number is out of range"))?;
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.fixed64()?),
            2 => Payload::Bytes(self.bytes()?),
            5 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(malformed(&format!("wire type {other} is not supported"))),
        };
        Ok(Some((number, payload)))
    }

    /// The next field's value if it is of that number: repeated fields mostly stand together.
    pub fn field_again(&mut self, number: u32) -> Result<Option<Payload<'b>>, DecodeError> {
        let mut ahead = *self;
        match ahead.field()? {
            Some((next, payload)) if next == number => {
                *self = ahead;
                Ok(Some(payload))
            }
            _ => Ok(None),
        }
    }

    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or_else(truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number has more than ten bytes"))
    }

    pub fn fixed64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<&'b [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| truncated())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Wire types: what the lower three bits of a key say.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

fn put_number(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_key(number: u32, wire_type: u64, out: &mut Vec<u8>) {
    put_number(u64::from(number) << 3 | wire_type, out);
}

pub(crate) fn put_varint(number: u32, value: u64, out: &mut Vec<u8>) {
    put_key(number, VARINT, out);
    put_number(value, out);
}

pub(crate) fn put_double(number: u32, value: f64, out: &mut Vec<u8>) {
    put_key(number, FIXED64, out);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_key(number, BYTES, out);
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Begins a field that is a message; its content follows. Returns what [`close`] needs.
pub(crate) fn open(number: u32, out: &mut Vec<u8>) -> usize {
    put_key(number, BYTES, out);
    out.push(0);
    out.len()
}

/// Puts the length before the content that begins at `start`. One byte was kept free: most messages are short.
pub(crate) fn close(start: usize, out: &mut Vec<u8>) {
    let mut length = out.len() - start;
    if length <= 0x7f {
        out[start - 1] = length as u8;
        return;
    }
    let (mut digits, mut count) = ([0_u8; 10], 0);
    while length > 0 {
        digits[count] = (length & 0x7f) as u8 | 0x80;
        length >>= 7;
        count += 1;
    }
    digits[count - 1] &= 0x7f;
    out.splice(start - 1..start, digits[..count].iter().copied());
}

/// True for the messages whose only field is JSON text; others without fields in the tables are empty.
pub(crate) fn holds_json(proto: &str) -> bool {
    ["RawExtension", "FieldsV1", "JSON"].contains(&proto.rsplit('.').next().unwrap_or(proto))
}

/// True for the messages whose only field is a list that JSON writes without them.
pub(crate) fn is_list_message(proto: &str) -> bool {
    proto == "Verbs"
}

pub(crate) fn malformed(what: &str) -> DecodeError {
    DecodeError::Syntax(format!("malformed protobuf: {what}"))
}

fn truncated() -> DecodeError {
    malformed("the message ends inside a field")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_split_into_its_fields() {
        let mut reader = Reader::new(&[0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x12, 0]);
        assert_eq!(reader.field(), Ok(Some((1, Payload::Varint(150)))));
        assert_eq!(reader.field(), Ok(Some((2, Payload::Bytes(b"hi")))));
        assert_eq!(reader.field_again(3), Ok(None));
        assert_eq!(reader.field_again(2), Ok(Some(Payload::Bytes(b""))));
        assert_eq!(reader.field(), Ok(None));
    }

    #[test]
    fn lengths_and_numbers_beyond_the_message_are_refused() {
        let eleven = [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        let bad: [&[u8]; 7] = [&[0x12, 3, 1, 2], &[0x12], &[0x80], &[0x09, 1], &[0x00, 0], &[0x0b], &eleven];
        for message in bad {
            assert!(Reader::new(message).field().is_err(), "{message:?}");
        }
        let huge = [0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert!(Reader::new(&huge).field().is_err());
    }
}
