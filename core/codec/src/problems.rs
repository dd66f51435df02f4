//! What is told of a body that is read all the same.

use serde::de::Error;

/// Values that are kept may nest this deep; everything that walks trees recurses, so this bounds the stack.
pub(crate) const MAX_KEPT_DEPTH: usize = 120;

/// More problems than these are not listed.
const MAX_PROBLEMS: usize = 100;

/// Unknown and repeated fields met so far.
#[derive(Default)]
pub(crate) struct Problems {
    texts: Vec<String>,
    pub(crate) depth: usize,
}

impl Problems {
    /// What was told already is not told again.
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        if self.texts.len() >= MAX_PROBLEMS {
            return;
        }
        let text = text();
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// For what is kept as it was sent, whose members nobody looks at.
    pub(crate) fn unheard(&self) -> Self {
        Self { texts: Vec::new(), depth: self.depth }
    }

    /// Makes one of those met so far, if there are any.
    pub(crate) fn gather(&mut self, make: impl FnOnce(&[String]) -> String) {
        if !self.texts.is_empty() {
            self.texts = vec![make(&self.texts)];
        }
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
    }

    /// Enters a list or an object.
    pub(crate) fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_KEPT_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_KEPT_DEPTH} levels")));
        }
        Ok(())
    }
}
