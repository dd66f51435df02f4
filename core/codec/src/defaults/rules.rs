//! Which types have defaults that the tables cannot say.

use gantry_kinds::fields::{apiextensions_v1, apps_v1, autoscaling_v1, core_v1};
use gantry_meta::Object;

use super::{objects, pod};

/// Changes one struct, after the rows of the tables.
pub(super) type Rule = fn(&mut Object);

/// The rule of a type, by its full name.
pub(super) fn of(type_name: &str) -> Option<Rule> {
    Some(match type_name {
        core_v1::Container::TYPE_NAME => pod::container,
        core_v1::EphemeralContainer::TYPE_NAME => pod::ephemeral_container,
        core_v1::ImageVolumeSource::TYPE_NAME => pod::image_volume_source,
        core_v1::LimitRangeItem::TYPE_NAME => objects::limit_range_item,
        core_v1::Namespace::TYPE_NAME => objects::namespace,
        core_v1::NodeSpec::TYPE_NAME => objects::node_spec,
        core_v1::Pod::TYPE_NAME => pod::pod,
        core_v1::PodSpec::TYPE_NAME => pod::pod_spec,
        core_v1::PodStatus::TYPE_NAME => objects::pod_status,
        core_v1::PodTemplateSpec::TYPE_NAME => pod::pod_template_spec,
        core_v1::Secret::TYPE_NAME => objects::secret,
        core_v1::Service::TYPE_NAME => objects::service,
        core_v1::Volume::TYPE_NAME => objects::volume,
        apps_v1::DaemonSet::TYPE_NAME => objects::daemon_set,
        autoscaling_v1::HorizontalPodAutoscaler::TYPE_NAME => objects::autoscaler_v1,
        apiextensions_v1::CustomResourceDefinitionSpec::TYPE_NAME => objects::definition_spec,
        _ => return None,
    })
}
