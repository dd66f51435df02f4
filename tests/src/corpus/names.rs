//! Replaces what differs from run to run by what it is. Equal names mean equal values: a version that must not move is seen to
//! stand still.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
};

use serde_json::{Map, Value};

#[derive(Default)]
pub(super) struct Names {
    /// Text and what it stands for: the case's own words.
    words: Vec<(String, &'static str)>,
    seen: HashMap<(&'static str, String), String>,
    counts: HashMap<&'static str, usize>,
}

/// Where a value stands, as far as its name depends on it.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    key: &'a str,
    parent: Option<&'a Map<String, Value>>,
    /// Within the metadata of a list.
    of_list: bool,
}

impl Names {
    pub fn new(words: Vec<(String, &'static str)>) -> Self {
        Self { words, ..Self::default() }
    }

    /// The value as it is recorded.
    pub fn value(&mut self, value: &Value) -> Value {
        self.named(value, Place::default())
    }

    fn number(&mut self, kind: &'static str, value: &str) -> String {
        let Self { seen, counts, .. } = self;
        let name = seen.entry((kind, value.to_owned())).or_insert_with(|| {
            let count = counts.entry(kind).or_default();
            *count += 1;
            format!("<{kind}:{count}>")
        });
        name.clone()
    }

    fn text(&mut self, text: &str) -> String {
        let text = self.words.iter().fold(text.to_owned(), |text, (word, name)| text.replace(word, name));
        let (mut named, mut rest) = (String::with_capacity(text.len()), text.as_str());
        while let Some(start) = find_uuid(rest) {
            named.push_str(&rest[..start]);
            let name = self.number("uid", &rest[start..start + UUID.len()]);
            named.push_str(&name);
            rest = &rest[start + UUID.len()..];
        }
        named + rest
    }

    fn named(&mut self, value: &Value, place: Place<'_>) -> Value {
        match value {
            Value::Object(members) => self.object(members, place),
            Value::Array(items) => {
                let place = Place { of_list: false, ..place };
                items.iter().map(|item| self.named(item, place)).collect()
            }
            Value::Number(number) if !number.is_f64() && matches!(place.key, "nodePort" | "healthCheckNodePort") => {
                "<nodeport>".into()
            }
            Value::String(text) => self.string(text, place).into(),
            other => other.clone(),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, place: Place<'_>) -> Value {
        let mut members = members.clone();
        if members.get("kind").is_some_and(|kind| kind == "Status") && members.contains_key("apiVersion") {
            strip_messages(&mut members);
        }
        let has = |name: &str| members.contains_key(name);
        let is_list = has("items") || (has("rows") && has("columnDefinitions"));
        let mut named = Map::new();
        for key in members.keys().collect::<BTreeSet<_>>() {
            let of_list = (is_list && key == "metadata") || (place.of_list && key == "resourceVersion");
            let name = self.text(key);
            let value = self.named(&members[key], Place { key, parent: Some(&members), of_list });
            named.insert(name, value);
        }
        Value::Object(named)
    }

    fn string(&mut self, text: &str, place: Place<'_>) -> String {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let generated = place.parent.and_then(|parent| parent.get("generateName")).and_then(Value::as_str);
        match place.key {
            "resourceVersion" if is_number && place.of_list => "<listrv>".into(),
            "resourceVersion" if is_number => self.number("rv", text),
            "continue" if !text.is_empty() => "<continue>".into(),
            "name" if generated.is_some_and(|base| !base.is_empty() && text.starts_with(base)) => {
                self.text(generated.unwrap_or_default()) + "<random>"
            }
            _ if is_time(text) => "<time>".into(),
            _ if is_token(text) => "<jwt>".into(),
            "clusterIP" | "clusterIPs" | "ip" | "podIP" | "hostIP" if text.parse::<Ipv4Addr>().is_ok() => {
                self.number("ip", text)
            }
            _ => self.text(text),
        }
    }
}

/// The text of a failure is the server's own.
pub(super) fn strip_messages(status: &mut Map<String, Value>) {
    status.remove("message");
    let causes = status.get_mut("details").and_then(|details| details.get_mut("causes")).and_then(Value::as_array_mut);
    for cause in causes.into_iter().flatten().filter_map(Value::as_object_mut) {
        cause.remove("message");
    }
}

/// `d` is a digit, `x` a lower-case hexadecimal digit; the rest stands for itself.
fn has_shape(text: &[u8], shape: &str) -> bool {
    let fits = |(byte, shape): (&u8, u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        other => *byte == other,
    };
    text.len() == shape.len() && text.iter().zip(shape.bytes()).all(fits)
}

const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

fn find_uuid(text: &str) -> Option<usize> {
    text.as_bytes().windows(UUID.len()).position(|window| has_shape(window, UUID))
}

fn is_time(text: &str) -> bool {
    const SECONDS: &str = "dddd-dd-ddTdd:dd:dd";
    let Some((time, rest)) = text.as_bytes().split_at_checked(SECONDS.len()) else { return false };
    let rest = match rest {
        [b'.', digits @ ..] => {
            let zone = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
            &digits[if zone == 0 { return false } else { zone }..]
        }
        rest => rest,
    };
    has_shape(time, SECONDS) && (rest == b"Z" || has_shape(rest, "+dd:dd") || has_shape(rest, "-dd:dd"))
}

/// A signed token: three long parts.
fn is_token(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let word = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let long = |part: &&str| part.len() >= 10 && word(part);
    text.starts_with("ey") && parts.len() == 3 && parts.iter().all(long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_and_equal_values_keep_their_name() {
        let mut names = Names::new(vec![("c-12".into(), "{ns}")]);
        let uid = uuid::Uuid::new_v4().to_string();
        let object = json!({"metadata": {"namespace": "c-12", "uid": uid, "resourceVersion": "7", "generateName": "a-",
            "name": "a-x7", "creationTimestamp": "2026-01-02T03:04:05Z"}, "spec": {"nodePort": 30001, "ip": "10.0.0.1"}});
        let named = json!({"metadata": {"namespace": "{ns}", "uid": "<uid:1>", "resourceVersion": "<rv:1>",
            "generateName": "a-", "name": "a-<random>", "creationTimestamp": "<time>"},
            "spec": {"nodePort": "<nodeport>", "ip": "<ip:1>"}});
        assert_eq!(names.value(&object), named);
        let list = json!({"items": [], "metadata": {"resourceVersion": "7", "continue": "abc"}});
        assert_eq!(
            names.value(&list),
            json!({"items": [], "metadata": {"resourceVersion": "<listrv>", "continue": "<continue>"}})
        );
        assert_eq!(names.value(&json!(format!("of {uid}"))), json!("of <uid:1>"));
    }

    #[test]
    fn times_have_a_zone() {
        for (text, expected) in
            [("2026-01-02T03:04:05Z", true), ("2026-01-02T03:04:05.123456+01:00", true), ("2026-01-02T03:04:05", false)]
        {
            assert_eq!(is_time(text), expected, "{text}");
        }
    }
}
