//! PriorityLevelConfiguration.

use gantry_kinds::fields::flowcontrol_v1::{
    ExemptPriorityLevelConfiguration, LimitResponse, LimitedPriorityLevelConfiguration, PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec as Spec, QueuingConfiguration,
};

use super::flow_schema::condition_types;
use crate::{
    field::{Causes, Field, Root},
    table::Update,
};

const QUEUES_MAX: i64 = 10_000_000;
/// Entropy of a hand, in bits.
const DEALING_MAX_BITS: f64 = 60.0;

pub fn create(object: Root<'_>, causes: &mut Causes) {
    let spec = object.member(PriorityLevelConfiguration::SPEC);
    let (kind, exempt, limited) = (spec.member(Spec::TYPE), spec.member(Spec::EXEMPT), spec.member(Spec::LIMITED));
    if (object.name() == "exempt") != (kind.text() == "Exempt") {
        causes.invalid(&kind, "type must be 'Exempt' if and only if name is 'exempt'");
    }
    match kind.text() {
        "Exempt" => {
            if limited.is_set() {
                causes.forbidden(&limited, "must be nil if the type is not Limited");
            }
            shares(&exempt, causes);
        }
        "Limited" => {
            if exempt.is_set() {
                causes.forbidden(&exempt, "must be nil if the type is Limited");
            }
            match limited.is_set() {
                true => self::limited(&limited, causes),
                false => causes.required(&limited),
            }
        }
        _ => causes.require_one_of(&kind, &["Exempt", "Limited"]),
    }
}

fn shares(level: &Field<'_>, causes: &mut Causes) {
    causes.non_negative(&level.member(ExemptPriorityLevelConfiguration::NOMINAL_CONCURRENCY_SHARES));
    borrowing(level, causes);
}

fn borrowing(level: &Field<'_>, causes: &mut Causes) {
    let lendable = level.member(ExemptPriorityLevelConfiguration::LENDABLE_PERCENT);
    if lendable.int().is_some_and(|percent| !(0..=100).contains(&percent)) {
        causes.invalid(&lendable, "must be between 0 and 100, inclusive");
    }
    causes.non_negative(&level.member(LimitedPriorityLevelConfiguration::BORROWING_LIMIT_PERCENT));
}

fn limited(limited: &Field<'_>, causes: &mut Causes) {
    causes.non_negative(&limited.member(LimitedPriorityLevelConfiguration::NOMINAL_CONCURRENCY_SHARES));
    limit_response(&limited.member(LimitedPriorityLevelConfiguration::LIMIT_RESPONSE), causes);
    borrowing(limited, causes);
}

fn limit_response(response: &Field<'_>, causes: &mut Causes) {
    let (kind, queuing) = (response.member(LimitResponse::TYPE), response.member(LimitResponse::QUEUING));
    match kind.text() {
        "Reject" if queuing.is_set() => {
            causes.forbidden(&queuing, "must be nil if limited.limitResponse.type is not Limited")
        }
        "Reject" => {}
        "Queue" if !queuing.is_set() => causes.required(&queuing),
        "Queue" => self::queuing(&queuing, causes),
        _ => causes.require_one_of(&kind, &["Queue", "Reject"]),
    }
}

fn queuing(queuing: &Field<'_>, causes: &mut Causes) {
    let (length, queues, hand) = (
        queuing.member(QueuingConfiguration::QUEUE_LENGTH_LIMIT),
        queuing.member(QueuingConfiguration::QUEUES),
        queuing.member(QueuingConfiguration::HAND_SIZE),
    );
    causes.positive_or_absent(&length);
    causes.positive_or_absent(&queues);
    let (number, size) = (queues.int().unwrap_or_default(), hand.int().unwrap_or_default());
    if number > QUEUES_MAX {
        causes.invalid(&queues, "must not be greater than 10000000");
    }
    if size <= 0 {
        causes.invalid(&hand, "must be positive");
    } else if size > number {
        causes.invalid(&hand, "should not be greater than queues");
    } else if ((number as f64).log2() * size as f64).ceil() > DEALING_MAX_BITS {
        causes.invalid(&hand, "required entropy bits of deckSize and handSize should not be greater than 60");
    }
}

pub fn update(update: Update<'_>, causes: &mut Causes) {
    if update.subresource.is_some() {
        return condition_types(update.new, causes);
    }
    create(update.new, causes);
    // The level of all that no other takes keeps its rules.
    if update.new.name() == "catch-all" {
        causes.immutable(
            &update.new.member(PriorityLevelConfiguration::SPEC),
            &update.old.member(PriorityLevelConfiguration::SPEC),
        );
    }
}
