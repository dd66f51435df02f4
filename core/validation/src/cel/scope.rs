//! The names that an expression may use.

use std::{collections::BTreeMap, sync::Arc};

use super::Type;

/// Variables and their types, and the roots of messages that can be built.
#[derive(Clone, Default, Debug)]
pub struct Scope {
    names: BTreeMap<String, Type>,
    messages: &'static [&'static str],
}

impl Scope {
    pub fn new<const N: usize>(names: [(&str, Type); N]) -> Self {
        let names = names.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
        Self { names, messages: &[] }
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
        members.insert(name.to_owned(), of);
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
