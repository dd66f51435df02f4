//! The names that an expression may use.

use std::{collections::BTreeMap, sync::Arc};

use super::Type;

/// Variables and their types, and the roots of messages that can be built.
#[derive(Clone, Default, Debug)]
pub struct Scope {
    names: BTreeMap<String, Type>,
    messages: &'static [&'static str],
    binds: bool,
}

impl Scope {
    pub fn new<const N: usize>(names: [(&str, Type); N]) -> Self {
        let names = names.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
        Self { names, messages: &[], binds: false }
    }

    pub fn add(&mut self, name: &str, of: Type) {
        self.names.insert(name.to_owned(), of);
    }

    /// Adds a member of `variables`.
    pub fn add_variable(&mut self, name: &str, of: Type) {
        let mut members = match self.names.remove("variables") {
            Some(Type::Struct(members)) => (*members).clone(),
            _ => BTreeMap::new(),
        };
        // What is no plain value is not followed across variables.
        let is_plain = !matches!(of, Type::Optional(_) | Type::Struct(_) | Type::Object(_));
        members.insert(name.to_owned(), if is_plain { of } else { Type::Dyn });
        self.names.insert("variables".to_owned(), Type::Struct(Arc::new(members)));
    }

    /// The same without a name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.names.remove(name);
        rest
    }

    /// Lets expressions build messages of these names, and of what is below them.
    #[must_use]
    pub fn building(mut self, messages: &'static [&'static str]) -> Self {
        self.messages = messages;
        self
    }

    /// Lets expressions name values with `cel.bind`.
    #[must_use]
    pub fn binding(mut self) -> Self {
        self.binds = true;
        self
    }

    pub(super) fn binds(&self) -> bool {
        self.binds
    }

    pub(super) fn get(&self, name: &str) -> Option<&Type> {
        self.names.get(name)
    }

    /// The same with variables of a comprehension.
    pub(super) fn with(&self, name: &str, of: Type) -> Self {
        let mut inner = self.clone();
        inner.add(name, of);
        inner
    }

    pub(super) fn builds(&self, message: &str) -> bool {
        let root = message.split('.').next().unwrap_or_default();
        self.messages.contains(&root)
    }
}
