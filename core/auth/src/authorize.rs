//! The order in which authorisers are asked.

use std::{borrow::Cow, sync::Arc};

use crate::{AccessStore, Attributes, Authorizer, Decision, node::authorize_node};

/// `system:masters` may do anything; then the node authoriser is asked, then RBAC.
pub struct AuthorizerChain {
    store: Arc<AccessStore>,
}

impl AuthorizerChain {
    pub fn new(store: Arc<AccessStore>) -> Self {
        Self { store }
    }

    pub fn store(&self) -> &Arc<AccessStore> {
        &self.store
    }
}

impl Authorizer for AuthorizerChain {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        self.before_rbac(attributes).unwrap_or_else(|| self.store.rbac().authorize(attributes))
    }

    fn explain(&self, attributes: &Attributes<'_>) -> Decision {
        self.before_rbac(attributes).unwrap_or_else(|| self.store.rbac().explain(attributes))
    }
}

impl AuthorizerChain {
    /// What is allowed without a look at roles.
    fn before_rbac(&self, attributes: &Attributes<'_>) -> Option<Decision> {
        if attributes.user.is_master() {
            return Some(Decision::Allow(Cow::Borrowed("")));
        }
        let node = attributes.user.node_name()?;
        let decision = self.store.with_graph(|graph| authorize_node(graph, node, attributes));
        decision.is_allowed().then_some(decision)
    }
}
