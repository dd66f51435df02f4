//! Defaults that depend on more than the tables can say, those of pods aside.

use base64::{Engine, prelude::BASE64_STANDARD};
use gantry_kinds::{
    FieldName, Members as _,
    fields::{
        apiextensions_v1::{CustomResourceDefinitionNames, CustomResourceDefinitionSpec},
        autoscaling_v1::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec},
        core_v1::{
            LimitRangeItem, LoadBalancerIngress, LoadBalancerStatus, NodeSpec, PodIP, PodStatus, Secret, Service,
            ServiceSpec, ServiceStatus, Volume,
        },
        meta_v1::ObjectMeta,
    },
    object, path,
};
use gantry_meta::{Object, ObjectView, Value};

use super::pod::copy_missing;

/// Metrics of the newer version travel through the older one in it.
const METRICS_ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/metrics";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The count of template changes is written as an annotation; whoever writes the object owns it.
pub(super) fn daemon_set(set: &mut Object) {
    if let Some(annotations) = set.metadata_mut().made(ObjectMeta::ANNOTATIONS) {
        let generation = annotations.entry(TEMPLATE_GENERATION).or_insert(Value::Null);
        if generation.is_null() {
            *generation = "0".into();
        }
    }
}

pub(super) fn node_spec(spec: &mut Object) {
    pair(spec, NodeSpec::POD_CIDR, NodeSpec::POD_CIDRS, |range| range.into(), Value::as_str);
}

pub(super) fn pod_status(status: &mut Object) {
    let item = |ip: &str| Value::from(object! { PodIP::IP => ip });
    pair(status, PodStatus::POD_IP, PodStatus::POD_IPS, item, |item| Some(item.as_object()?.text(PodIP::IP)));
}

/// A field and the list that came after it say the same: where both are given, the field wins over the list's first.
fn pair(
    object: &mut Object,
    one: FieldName,
    many: FieldName,
    item: fn(&str) -> Value,
    text_of: fn(&Value) -> Option<&str>,
) {
    let first = object.items(many).first().and_then(text_of).unwrap_or_default().to_owned();
    let given = object.text(one).to_owned();
    if given.is_empty() && !first.is_empty() {
        object.set(one, first);
    } else if given != first {
        object.set(many, vec![item(&given)]);
    }
}

/// A container's defaults follow from its maximum, its default requests from its defaults and then its minimum.
pub(super) fn limit_range_item(item: &mut Object) {
    if item.text(LimitRangeItem::TYPE) != "Container" {
        return;
    }
    copy_missing(item, LimitRangeItem::MAX, LimitRangeItem::DEFAULT);
    copy_missing(item, LimitRangeItem::DEFAULT, LimitRangeItem::DEFAULT_REQUEST);
    copy_missing(item, LimitRangeItem::MIN, LimitRangeItem::DEFAULT_REQUEST);
}

/// Selectors of namespaces find them by name through this label; a client's value is overwritten.
pub(super) fn namespace(namespace: &mut Object) {
    let name = namespace.name().to_owned();
    if name.is_empty() {
        return;
    }
    if let Some(labels) = namespace.metadata_mut().made(ObjectMeta::LABELS) {
        labels.insert(NAME_LABEL.to_owned(), name.into());
    }
}

/// `stringData` is write only: its texts become data and win over data of the same key.
pub(super) fn secret(secret: &mut Object) {
    let Some(Value::Object(texts)) = secret.unset(Secret::STRING_DATA) else { return };
    if let Some(data) = secret.made(Secret::DATA) {
        for (key, text) in texts {
            let encoded = BASE64_STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
}

/// An address that balances load is one of the balancer's own unless it says otherwise.
pub(super) fn service(service: &mut Object) {
    if service.text_at(path![Service::SPEC, ServiceSpec::TYPE]) != "LoadBalancer" {
        return;
    }
    let status = service.object_mut(Service::STATUS);
    let Some(balancer) = status.and_then(|status| status.object_mut(ServiceStatus::LOAD_BALANCER)) else { return };
    let addresses = balancer.objects_mut(LoadBalancerStatus::INGRESS);
    for address in addresses.filter(|address| address.has(LoadBalancerIngress::IP)) {
        address.set_if_absent(LoadBalancerIngress::IP_MODE, LoadBalancerIngress::IP_MODE_DEFAULT);
    }
}

/// A volume without a source is an empty directory.
pub(super) fn volume(volume: &mut Object) {
    if volume.keys().all(|member| member == Volume::NAME.as_str()) {
        volume.set(Volume::EMPTY_DIR, Object::new());
    }
}

/// The older version has a CPU target only; metrics of the newer one travel in an annotation.
pub(super) fn autoscaler_v1(autoscaler: &mut Object) {
    let annotations = autoscaler.annotations();
    let stated = annotations.and_then(|annotations| annotations.get(METRICS_ANNOTATION)?.as_str());
    let metrics = stated.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    if metrics.is_some_and(|metrics| !metrics.is_empty()) {
        return;
    }
    if let Some(spec) = autoscaler.made(HorizontalPodAutoscaler::SPEC) {
        const TARGET: FieldName = HorizontalPodAutoscalerSpec::TARGET_CPU_UTILIZATION_PERCENTAGE;
        spec.set_if_absent(TARGET, HorizontalPodAutoscalerSpec::TARGET_CPU_UTILIZATION_PERCENTAGE_DEFAULT);
    }
}

/// Names that follow from the kind.
pub(super) fn definition_spec(spec: &mut Object) {
    let Some(names) = spec.made(CustomResourceDefinitionSpec::NAMES) else { return };
    let kind = names.text(CustomResourceDefinitionNames::KIND).to_owned();
    if !kind.is_empty() {
        names.set_if_absent(CustomResourceDefinitionNames::SINGULAR, kind.to_lowercase());
        names.set_if_absent(CustomResourceDefinitionNames::LIST_KIND, format!("{kind}List"));
    }
}
