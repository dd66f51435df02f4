//! The document of version 2 as protobuf: the message `openapi.v2.Document` that clients in Go ask for.
//!
//! Each message is a list of fields, so that one walk writes them all. Only fields that our documents use have a row, and
//! those that the schema of a custom kind may bring. Source: the message definitions of gnostic (OpenAPIv2.proto).

use gantry_meta::{Object, Value};

use crate::wire::{close, open, put_bytes, put_double, put_varint};

/// What a member becomes.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Flag,
    Int,
    Number,
    /// Any value, as YAML in a message.
    Any,
    /// A text, or a list of texts, in a message of its own.
    Type,
    Texts,
    Anys,
    Message(Fields),
    Messages(Fields),
    /// A message whose only field is a list of named messages.
    Named(Fields),
    /// Named lists of texts, one message for each.
    Requirements,
    /// Members whose names are no other field's: `/paths` and status codes. The number is of the named messages.
    Others(Fields),
    /// A message, or a reference, behind field 1 or 2 of a choice.
    Choice(Choose),
    Choices(Choose),
}

type Fields = &'static Message;
/// Which field of the choice a value is, and its message; the way may lead through further choices.
type Choose = fn(&Object) -> (&'static [u32], Fields);

/// A message's fields. A message may hold itself.
struct Message(&'static [Field]);

struct Field {
    name: &'static str,
    number: u32,
    form: Form,
}

const fn field(name: &'static str, number: u32, form: Form) -> Field {
    Field { name, number, form }
}

/// The name of the row that says under which number members that begin with `x-` go.
const VENDOR: &str = "x-";
/// The name of a row of [`Form::Others`].
const OTHERS: &str = "*";

static DOCUMENT: Message = Message(&[
    field("swagger", 1, Form::Text),
    field("info", 2, Form::Message(&INFO)),
    field("paths", 8, Form::Message(&PATHS)),
    field("definitions", 9, Form::Named(&SCHEMA)),
    field("parameters", 10, Form::Named(&PARAMETER)),
    field("security", 12, Form::Requirements),
    field("securityDefinitions", 13, Form::Named(&SECURITY_DEFINITION)),
    field(VENDOR, 16, Form::Any),
]);

static INFO: Message = Message(&[field("title", 1, Form::Text), field("version", 2, Form::Text)]);
static PATHS: Message = Message(&[field(OTHERS, 2, Form::Others(&PATH_ITEM))]);

static PATH_ITEM: Message = Message(&[
    field("get", 2, Form::Message(&OPERATION)),
    field("put", 3, Form::Message(&OPERATION)),
    field("post", 4, Form::Message(&OPERATION)),
    field("delete", 5, Form::Message(&OPERATION)),
    field("options", 6, Form::Message(&OPERATION)),
    field("head", 7, Form::Message(&OPERATION)),
    field("patch", 8, Form::Message(&OPERATION)),
    field("parameters", 9, Form::Choices(parameters_item)),
    field(VENDOR, 10, Form::Any),
]);

static OPERATION: Message = Message(&[
    field("tags", 1, Form::Texts),
    field("description", 3, Form::Text),
    field("operationId", 5, Form::Text),
    field("produces", 6, Form::Texts),
    field("consumes", 7, Form::Texts),
    field("parameters", 8, Form::Choices(parameters_item)),
    field("responses", 9, Form::Message(&RESPONSES)),
    field("schemes", 10, Form::Texts),
    field("deprecated", 11, Form::Flag),
    field(VENDOR, 13, Form::Any),
]);

static RESPONSES: Message = Message(&[field(OTHERS, 1, Form::Others(&RESPONSE_VALUE))]);
static RESPONSE_VALUE: Message = Message(&[field("", 1, Form::Message(&RESPONSE))]);
static RESPONSE: Message =
    Message(&[field("description", 1, Form::Text), field("schema", 2, Form::Choice(|_| (&[1], &SCHEMA)))]);

static REFERENCE: Message = Message(&[field("$ref", 1, Form::Text)]);
/// A parameter among the shared ones: it is never a reference there.
static PARAMETER: Message = Message(&[field("", 0, Form::Choice(parameter))]);

static BODY_PARAMETER: Message = Message(&[
    field("description", 1, Form::Text),
    field("name", 2, Form::Text),
    field("in", 3, Form::Text),
    field("required", 4, Form::Flag),
    field("schema", 5, Form::Message(&SCHEMA)),
    field(VENDOR, 6, Form::Any),
]);

static QUERY_PARAMETER: Message = Message(&[
    field("required", 1, Form::Flag),
    field("in", 2, Form::Text),
    field("description", 3, Form::Text),
    field("name", 4, Form::Text),
    field("type", 6, Form::Text),
    field("format", 7, Form::Text),
    field("default", 10, Form::Any),
    field("uniqueItems", 20, Form::Flag),
    field("enum", 21, Form::Anys),
    field(VENDOR, 23, Form::Any),
]);

/// Of the path and of headers.
static OTHER_PARAMETER: Message = Message(&[
    field("required", 1, Form::Flag),
    field("in", 2, Form::Text),
    field("description", 3, Form::Text),
    field("name", 4, Form::Text),
    field("type", 5, Form::Text),
    field("format", 6, Form::Text),
    field("uniqueItems", 19, Form::Flag),
    field(VENDOR, 22, Form::Any),
]);

static SCHEMA: Message = Message(&[
    field("$ref", 1, Form::Text),
    field("format", 2, Form::Text),
    field("title", 3, Form::Text),
    field("description", 4, Form::Text),
    field("default", 5, Form::Any),
    field("multipleOf", 6, Form::Number),
    field("maximum", 7, Form::Number),
    field("exclusiveMaximum", 8, Form::Flag),
    field("minimum", 9, Form::Number),
    field("exclusiveMinimum", 10, Form::Flag),
    field("maxLength", 11, Form::Int),
    field("minLength", 12, Form::Int),
    field("pattern", 13, Form::Text),
    field("maxItems", 14, Form::Int),
    field("minItems", 15, Form::Int),
    field("uniqueItems", 16, Form::Flag),
    field("maxProperties", 17, Form::Int),
    field("minProperties", 18, Form::Int),
    field("required", 19, Form::Texts),
    field("enum", 20, Form::Anys),
    field("additionalProperties", 21, Form::Choice(|_| (&[1], &SCHEMA))),
    field("type", 22, Form::Type),
    field("items", 23, Form::Choice(|_| (&[1], &SCHEMA))),
    field("allOf", 24, Form::Messages(&SCHEMA)),
    field("properties", 25, Form::Named(&SCHEMA)),
    field("example", 30, Form::Any),
    field(VENDOR, 31, Form::Any),
]);

static SECURITY_DEFINITION: Message = Message(&[field("", 2, Form::Message(&API_KEY))]);
static API_KEY: Message = Message(&[
    field("type", 1, Form::Text),
    field("name", 2, Form::Text),
    field("in", 3, Form::Text),
    field("description", 4, Form::Text),
]);

fn parameters_item(item: &Object) -> (&'static [u32], Fields) {
    if item.contains_key("$ref") { (&[2], &REFERENCE) } else { (&[1], &PARAMETER) }
}

fn parameter(item: &Object) -> (&'static [u32], Fields) {
    match item.get("in").and_then(Value::as_str) {
        Some("body") => (&[1], &BODY_PARAMETER),
        Some("query") => (&[2, 3], &QUERY_PARAMETER),
        Some("header") => (&[2, 1], &OTHER_PARAMETER),
        _ => (&[2, 4], &OTHER_PARAMETER),
    }
}

/// The bytes of `openapi.v2.Document`. What has no row here is left out.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if let Value::Object(document) = document {
        message(document, &DOCUMENT, &mut out);
    }
    out
}

fn message(object: &Object, fields: Fields, out: &mut Vec<u8>) {
    // A row without a name takes the object itself: a message around another.
    if let [Field { name: "", number, form }] = fields.0 {
        return whole(object, *number, *form, out);
    }
    for Field { name, number, form } in fields.0 {
        match *name {
            VENDOR => object.iter().filter(|(name, _)| name.starts_with(VENDOR)).for_each(|(name, value)| {
                within(*number, out, |out| named(name, out, |out| any(2, value, out)));
            }),
            OTHERS => others(object, *number, *form, out),
            name => object.get(name).into_iter().for_each(|value| member(value, *number, *form, out)),
        }
    }
}

fn whole(object: &Object, number: u32, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Message(fields) => within(number, out, |out| message(object, fields, out)),
        Form::Choice(choose) => choice(object, choose, out),
        _ => {}
    }
}

fn others(object: &Object, number: u32, form: Form, out: &mut Vec<u8>) {
    let Form::Others(fields) = form else { return };
    for (name, value) in object.iter().filter(|(name, _)| !name.starts_with(VENDOR)) {
        within(number, out, |out| named(name, out, |out| nested(value, 2, fields, out)));
    }
}

fn member(value: &Value, number: u32, form: Form, out: &mut Vec<u8>) {
    match (form, value) {
        (Form::Text, Value::String(text)) => put_bytes(number, text.as_bytes(), out),
        (Form::Flag, Value::Bool(true)) => put_varint(number, 1, out),
        (Form::Int, value) => value.as_i64().into_iter().for_each(|int| put_varint(number, int as u64, out)),
        (Form::Number, value) => value.as_f64().into_iter().for_each(|double| put_double(number, double, out)),
        (Form::Any, value) => any(number, value, out),
        (Form::Type, value) => within(number, out, |out| texts(value, 1, out)),
        (Form::Texts, value) => texts(value, number, out),
        (Form::Anys, Value::Array(items)) => items.iter().for_each(|item| any(number, item, out)),
        (Form::Message(fields), value) => nested(value, number, fields, out),
        (Form::Messages(fields), Value::Array(items)) => {
            items.iter().for_each(|item| nested(item, number, fields, out));
        }
        (Form::Named(fields), Value::Object(members)) => within(number, out, |out| {
            for (name, value) in members {
                within(1, out, |out| named(name, out, |out| nested(value, 2, fields, out)));
            }
        }),
        (Form::Requirements, Value::Array(items)) => items.iter().for_each(|item| requirement(item, number, out)),
        (Form::Choice(choose), Value::Object(object)) => within(number, out, |out| choice(object, choose, out)),
        (Form::Choices(choose), Value::Array(items)) => {
            for item in items.iter().filter_map(Value::as_object) {
                within(number, out, |out| choice(item, choose, out));
            }
        }
        _ => {}
    }
}

fn choice(object: &Object, choose: Choose, out: &mut Vec<u8>) {
    let (way, fields) = choose(object);
    down(way, out, &mut |out| message(object, fields, out));
}

/// A message in a message, as deep as the way is long.
fn down(way: &[u32], out: &mut Vec<u8>, content: &mut dyn FnMut(&mut Vec<u8>)) {
    match way.split_first() {
        Some((number, rest)) => within(*number, out, |out| down(rest, out, content)),
        None => content(out),
    }
}

fn requirement(item: &Value, number: u32, out: &mut Vec<u8>) {
    within(number, out, |out| {
        for (name, scopes) in item.as_object().into_iter().flatten() {
            within(1, out, |out| named(name, out, |out| within(2, out, |out| texts(scopes, 1, out))));
        }
    });
}

fn nested(value: &Value, number: u32, fields: Fields, out: &mut Vec<u8>) {
    if let Value::Object(object) = value {
        within(number, out, |out| message(object, fields, out));
    }
}

/// The content of a `Named…` message: the name, and the value that `value` writes as field 2.
fn named(name: &str, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    put_bytes(1, name.as_bytes(), out);
    value(out);
}

/// JSON is YAML too.
fn any(number: u32, value: &Value, out: &mut Vec<u8>) {
    within(number, out, |out| put_bytes(2, format!("{value}\n").as_bytes(), out));
}

/// One text, or each of a list.
fn texts(value: &Value, number: u32, out: &mut Vec<u8>) {
    let one = value.as_str().into_iter();
    let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.chain(many).for_each(|text| put_bytes(number, text.as_bytes(), out));
}

fn within(number: u32, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = open(number, out);
    content(out);
    close(start, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Payload, Reader};
    use serde_json::json;

    /// The fields of that number, one after another down the way.
    fn at<'b>(message: &'b [u8], way: &[u32]) -> Vec<&'b [u8]> {
        let Some((number, rest)) = way.split_first() else { return vec![message] };
        let (mut reader, mut found) = (Reader::new(message), Vec::new());
        while let Some((next, payload)) = reader.field().unwrap() {
            if let Payload::Bytes(bytes) = payload
                && next == *number
            {
                found.extend(at(bytes, rest));
            }
        }
        found
    }

    #[test]
    fn definitions_paths_and_parameters_stand_where_the_message_has_them() {
        let written = document(&json!({
            "swagger": "2.0",
            "info": {"title": "t", "version": "v"},
            "paths": {"/a": {"get": {"operationId": "readA", "parameters": [{"$ref": "#/parameters/p"},
                {"in": "query", "name": "q", "type": "string"}], "responses": {"200": {"description": "OK"}}}}},
            "definitions": {"D": {"type": "object", "properties": {"f": {"type": "array", "items": {"$ref": "#/x"}}},
                "additionalProperties": {"type": "string"}, "x-kubernetes-list-type": "map"}},
        }));
        assert_eq!(at(&written, &[1]), [b"2.0"]);
        assert_eq!(at(&written, &[8, 2, 1]), [b"/a"]);
        assert_eq!(at(&written, &[8, 2, 2, 2, 5]), [b"readA"]);
        assert_eq!(at(&written, &[8, 2, 2, 2, 8, 2, 1]), [b"#/parameters/p"]);
        assert_eq!(at(&written, &[8, 2, 2, 2, 8, 1, 2, 3, 4]), [b"q"]);
        assert_eq!(at(&written, &[8, 2, 2, 2, 9, 1, 2, 1, 1]), [b"OK"]);
        assert_eq!(at(&written, &[9, 1, 1]), [b"D"]);
        assert_eq!(at(&written, &[9, 1, 2, 22, 1]), [b"object"]);
        assert_eq!(at(&written, &[9, 1, 2, 25, 1, 2, 23, 1, 1]), [b"#/x"]);
        assert_eq!(at(&written, &[9, 1, 2, 21, 1, 22, 1]), [b"string"]);
        assert_eq!(at(&written, &[9, 1, 2, 31, 1]), [b"x-kubernetes-list-type"]);
        assert_eq!(at(&written, &[9, 1, 2, 31, 2, 2]), [b"\"map\"\n"]);
    }

    #[test]
    fn the_whole_document_has_every_definition_and_path() {
        let json = super::super::v2_document(gantry_kinds::catalog());
        let written = document(&json);
        assert_eq!(at(&written, &[9, 1, 1]).len(), json["definitions"].as_object().unwrap().len());
        assert_eq!(at(&written, &[8, 2, 1]).len(), json["paths"].as_object().unwrap().len());
        assert_eq!(at(&written, &[13, 1, 2, 2, 2]), [b"authorization"]);
    }
}
