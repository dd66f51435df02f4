//! Jobs find their pods by a label made of their uid, and leave them behind unless told otherwise.

use gantry_kinds::{
    Members as _,
    fields::{
        batch_v1::{Job, JobSpec},
        core_v1::PodTemplateSpec,
        meta_v1::{LabelSelector, ObjectMeta},
    },
    path,
};
use gantry_meta::{Object, ObjectView as _, Value};

use super::{Strategy, template_labels};
use crate::request::Propagation;

const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// What each pod of a job is labelled with, each under its old and its new name.
const UID_LABELS: [&str; 2] = ["controller-uid", UID_LABEL];
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

pub(super) struct Jobs;

impl Strategy for Jobs {
    /// A job that has its labels from its template gets those with it that are generated there.
    fn prepare_create(&self, job: &mut Object) {
        let of_template = template_labels::of(job);
        let shares = of_template.is_some_and(|labels| Some(labels) == job.at(path![Job::METADATA, ObjectMeta::LABELS]));
        generate_selector(job);
        if shares {
            self.fill_labels(job);
        }
    }

    /// What is stored is decoded with defaults: a job without labels has those of its template, generated ones too.
    fn fill_labels(&self, job: &mut Object) {
        template_labels::fill(job);
    }

    fn propagation(&self) -> Propagation {
        Propagation::Orphan
    }

    fn deletion_warning(&self) -> Option<&'static str> {
        Some(
            "the pods of a job stay when it is deleted; set propagationPolicy=Background to remove them, or \
             propagationPolicy=Orphan to be spared this warning",
        )
    }
}

/// Selector and labels, unless the selector is made by hand. Labels that are there are left to validation.
fn generate_selector(job: &mut Object) {
    let (name, uid) = (Value::from(job.name()), Value::from(job.uid()));
    let Some(spec) = job.object_mut(Job::SPEC) else { return };
    if spec.flag(JobSpec::MANUAL_SELECTOR) {
        return;
    }
    let selector = spec.made(JobSpec::SELECTOR);
    if let Some(selected) = selector.and_then(|selector| selector.made(LabelSelector::MATCH_LABELS)) {
        selected.entry(UID_LABEL).or_insert_with(|| uid.clone());
    }
    let metadata = spec.made(JobSpec::TEMPLATE).and_then(|template| template.made(PodTemplateSpec::METADATA));
    let Some(labels) = metadata.and_then(|metadata| metadata.made(ObjectMeta::LABELS)) else { return };
    for (keys, value) in [(NAME_LABELS, &name), (UID_LABELS, &uid)] {
        for key in keys {
            labels.entry(key).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prepared(job: Value) -> Object {
        let mut job = job.as_object().cloned().unwrap();
        Jobs.prepare_create(&mut job);
        Jobs.fill_labels(&mut job);
        job
    }

    #[test]
    fn a_job_finds_its_pods_by_its_uid_unless_told_how() {
        let job = prepared(json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"metadata": {}}}}));
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {UID_LABEL: "u"}}));
        let labels =
            json!({"job-name": "j", "batch.kubernetes.io/job-name": "j", "controller-uid": "u", UID_LABEL: "u"});
        assert_eq!((&job["spec"]["template"]["metadata"]["labels"], &job["metadata"]["labels"]), (&labels, &labels));
        let shared = json!({"metadata": {"name": "j", "uid": "u", "labels": {"a": "b"}},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}});
        let mut shared = shared.as_object().cloned().unwrap();
        Jobs.prepare_create(&mut shared);
        assert_eq!(shared["metadata"]["labels"]["job-name"], "j", "labels from the template are checked with its own");
        let by_hand = json!({"metadata": {"name": "j"}, "spec": {"manualSelector": true, "template": {}}});
        assert_eq!(Value::Object(prepared(by_hand.clone())), by_hand);
    }
}
