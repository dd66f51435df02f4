//! API services: those without a service are answered by this server, so they are available at once.

use gantry_kinds::{
    Members as _,
    fields::apiregistration_v1::{APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus},
    object, path,
};
use gantry_meta::{Object, Value, time};
use jiff::Timestamp;

use super::Strategy;

pub(super) struct ApiServices;

impl Strategy for ApiServices {
    fn prepare_create(&self, service: &mut Object) {
        if service.at(path![APIService::SPEC, APIServiceSpec::SERVICE]).is_some() {
            return;
        }
        let available = object! {
            APIServiceCondition::TYPE => "Available",
            APIServiceCondition::STATUS => "True",
            APIServiceCondition::REASON => "Local",
            APIServiceCondition::MESSAGE => "Local APIServices are always available",
            APIServiceCondition::LAST_TRANSITION_TIME => time::format_time(Timestamp::now()),
        };
        let status = object! { APIServiceStatus::CONDITIONS => vec![Value::from(available)] };
        service.set(APIService::STATUS, status);
    }
}
