//! Short descriptions: those written by hand in the tables, else the name in words.

use super::operation::Action;
use gantry_kinds::{Field, Shape, Topology, Type, description};

/// A type by its full name.
pub(super) fn of_type(name: &str) -> String {
    if let Some(text) = description(name, "") {
        return text.to_owned();
    }
    let short = name.rsplit('.').next().unwrap_or(name);
    match short.strip_suffix("List").filter(|item| !item.is_empty()) {
        Some(item) => format!("{item}List is a list of {item} objects."),
        None => format!("{short}: {}.", words(short)),
    }
}

pub(super) fn of_field(ty: &Type, field: &Field) -> String {
    let text = description(&ty.name, &field.name).or_else(|| description("", &field.name));
    let mut text = text.map_or_else(|| format!("{}.", sentence(&field.name)), str::to_owned);
    if !field.allowed.is_empty() && field.allowed.len() <= 12 && !field.published {
        text.push_str(&format!(" Known values: {}.", field.allowed.join(", ")));
    }
    if let Some(default) = field.default.as_ref().map(|d| d.to_value()).filter(|d| !d.is_object()) {
        text.push_str(&format!(" Defaults to {default}."));
    }
    if field.topology == Topology::ListMap && matches!(field.shape, Shape::List(_)) {
        text.push_str(&format!(" Items are told apart by {}.", field.map_keys.join(" and ")));
    }
    text
}

pub(super) fn of_operation(action: Action, kind: &str) -> String {
    match action {
        Action::Get => format!("Read one {kind}."),
        Action::List => format!("List or watch {kind} objects."),
        Action::Post => format!("Create a {kind}."),
        Action::Put => format!("Replace a {kind}."),
        Action::Patch => format!("Change a {kind} in part."),
        Action::Delete => format!("Delete a {kind}."),
        Action::DeleteCollection => format!("Delete all {kind} objects that are selected."),
        Action::Watch => format!("Watch one {kind}. Deprecated: list with `watch` and a field selector."),
        Action::WatchList => format!("Watch {kind} objects. Deprecated: list with `watch`."),
        Action::Connect | Action::Plain => format!("Connect to a {kind}."),
    }
}

pub(super) fn of_subresource(action: Action, subresource: &str, kind: &str) -> String {
    let verb = match action {
        Action::Get => "Read",
        Action::Post => "Create",
        Action::Put => "Replace",
        Action::Patch => "Change in part",
        _ => "Connect to",
    };
    format!("{verb} the {subresource} of a {kind}.")
}

/// `terminationGracePeriodSeconds` becomes `Termination grace period seconds`.
fn sentence(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Splits before capitals that begin a word; runs of capitals (`IP`, `URLs`) stay together.
fn words(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let is_lower = |at: usize| letters.get(at).is_some_and(|l| l.is_lowercase());
    // The `s` of a plural, as in `clusterIPs`, does not make its capital the start of a word.
    let is_plural = |at: usize| letters.get(at) == Some(&'s') && !is_lower(at + 1);
    let mut out = String::with_capacity(name.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        let before_lower = is_lower(at + 1) && !is_plural(at + 1);
        if letter.is_uppercase() && at > 0 && (is_lower(at - 1) || before_lower) {
            out.push(' ');
        }
        if letter.is_uppercase() && before_lower {
            out.extend(letter.to_lowercase());
        } else {
            out.push(*letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn names_become_words() {
        assert_eq!(sentence("terminationGracePeriodSeconds"), "Termination grace period seconds");
        assert_eq!(sentence("podIP"), "Pod IP");
        assert_eq!(sentence("clusterIPs"), "Cluster IPs");
        assert_eq!(sentence("caBundle"), "Ca bundle");
    }
}
