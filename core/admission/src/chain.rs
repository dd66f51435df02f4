//! The two phases, each a list of plugins in the order they run.

use std::sync::Arc;

use async_trait::async_trait;
use gantry_auth::Authorizer;
use gantry_meta::{Object, Status};

use crate::{
    Attributes, CertificateApproval, CertificateRequester, CertificateSigning, CertificateSubjectRestriction,
    ClusterView, DefaultClass, DefaultTolerationSeconds, LimitRanger, NamespaceLifecycle, NodeRestriction, Operation,
    PersistentVolumeClaimResize, PluginDeclaration, PodTopologyLabels, Priority, RuntimeClass, ServiceAccount,
    StorageObjectInUseProtection, TaintNodesByCondition,
};

/// Changes an object on its way in, or refuses it.
#[async_trait]
pub trait MutatingPlugin: Send + Sync {
    fn name(&self) -> &'static str;

    /// Cheap, and asked before every write: whether [`Self::admit`] has anything to do.
    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    /// `object` is absent for deletions; `old` is what is stored, for updates and deletions.
    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        old: Option<&Object>,
    ) -> Result<(), Status>;
}

/// Completes new objects of one resource, or refuses them: what most of those that change something do.
#[async_trait]
pub trait CreationPlugin: Send + Sync {
    fn name(&self) -> &'static str;

    /// Group and plural.
    fn resource(&self) -> (&'static str, &'static str);

    async fn complete(&self, attributes: &Attributes<'_>, object: &mut Object) -> Result<(), Status>;
}

#[async_trait]
impl<P: CreationPlugin> MutatingPlugin for P {
    fn name(&self) -> &'static str {
        CreationPlugin::name(self)
    }

    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        let (group, plural) = self.resource();
        attributes.operation == Operation::Create && attributes.is(group, plural)
    }

    async fn admit(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&mut Object>,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        match object {
            Some(object) => self.complete(attributes, object).await,
            None => Ok(()),
        }
    }
}

/// Refuses what may not be stored. Runs after validation.
#[async_trait]
pub trait ValidatingPlugin: Send + Sync {
    fn name(&self) -> &'static str;

    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status>;
}

#[derive(Default)]
pub struct Chain {
    mutating: Vec<Box<dyn MutatingPlugin>>,
    validating: Vec<Box<dyn ValidatingPlugin>>,
}

impl Chain {
    pub fn new(mutating: Vec<Box<dyn MutatingPlugin>>, validating: Vec<Box<dyn ValidatingPlugin>>) -> Self {
        Self { mutating, validating }
    }

    /// The built-in plugins, in upstream's order.
    pub fn built_in(view: &Arc<dyn ClusterView>, authorizer: &Arc<dyn Authorizer>) -> Self {
        Self::new(
            vec![
                Box::new(NamespaceLifecycle::new(view.clone())),
                Box::new(LimitRanger::new(view.clone())),
                Box::new(ServiceAccount::new(view.clone())),
                Box::new(NodeRestriction::new(view.clone())),
                Box::new(CertificateRequester),
                Box::new(TaintNodesByCondition),
                Box::new(Priority::new(view.clone())),
                Box::new(DefaultTolerationSeconds),
                Box::new(DefaultClass::storage(view.clone())),
                Box::new(StorageObjectInUseProtection),
                Box::new(RuntimeClass::new(view.clone())),
                Box::new(DefaultClass::ingress(view.clone())),
                Box::new(PodTopologyLabels::new(view.clone())),
            ],
            vec![
                Box::new(LimitRanger::new(view.clone())),
                Box::new(PersistentVolumeClaimResize::new(view.clone())),
                Box::new(RuntimeClass::new(view.clone())),
                Box::new(CertificateApproval(authorizer.clone())),
                Box::new(CertificateSigning(authorizer.clone())),
                Box::new(CertificateSubjectRestriction),
                Box::new(PluginDeclaration),
            ],
        )
    }

    pub async fn mutate(
        &self,
        attributes: &Attributes<'_>,
        mut object: Option<&mut Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        for plugin in self.mutating.iter().filter(|plugin| plugin.handles(attributes)) {
            plugin.admit(attributes, object.as_deref_mut(), old).await?;
        }
        Ok(())
    }

    pub async fn validate(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        for plugin in self.validating.iter().filter(|plugin| plugin.handles(attributes)) {
            plugin.validate(attributes, object, old).await?;
        }
        Ok(())
    }
}
