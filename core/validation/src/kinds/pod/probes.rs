//! Probes and lifecycle hooks.

use gantry_kinds::{
    FieldName,
    fields::core_v1::{
        Container, ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, Lifecycle, LifecycleHandler, PodSpec, Probe,
        SleepAction, TCPSocketAction,
    },
};

use crate::{
    field::{Causes, Field},
    rules::numbers,
};

type Check = fn(&Field<'_>, i64, &mut Causes);

pub(super) fn of_container(container: &Field<'_>, causes: &mut Causes) {
    for member in [Container::LIVENESS_PROBE, Container::READINESS_PROBE, Container::STARTUP_PROBE] {
        let probe = container.member(member);
        if !probe.is_set() {
            continue;
        }
        self::probe(&probe, causes);
        let threshold = probe.member(Probe::SUCCESS_THRESHOLD);
        if member != Container::READINESS_PROBE {
            if threshold.int() != Some(1) {
                causes.invalid(&threshold, "must be 1");
            }
        } else if probe.member(Probe::TERMINATION_GRACE_PERIOD_SECONDS).is_set() {
            causes
                .invalid(&probe.member(Probe::TERMINATION_GRACE_PERIOD_SECONDS), "must not be set for readinessProbes");
        }
    }
}

fn probe(probe: &Field<'_>, causes: &mut Causes) {
    handler(probe, 0, causes);
    for member in [
        Probe::INITIAL_DELAY_SECONDS,
        Probe::TIMEOUT_SECONDS,
        Probe::PERIOD_SECONDS,
        Probe::SUCCESS_THRESHOLD,
        Probe::FAILURE_THRESHOLD,
    ] {
        causes.non_negative(&probe.member(member));
    }
    causes.positive(&probe.member(Probe::TERMINATION_GRACE_PERIOD_SECONDS));
}

/// Exactly one way to ask or act; only hooks sleep, within the pod's `grace` seconds.
fn handler(handler: &Field<'_>, grace: i64, causes: &mut Causes) {
    let ways: [(FieldName, Check); 5] = [
        (LifecycleHandler::EXEC, |exec, _, causes| {
            causes.require(&exec.member(ExecAction::COMMAND));
        }),
        (LifecycleHandler::HTTP_GET, |http, _, causes| http_get(http, causes)),
        (LifecycleHandler::TCP_SOCKET, |tcp, _, causes| {
            numbers::port_or_name(&tcp.member(TCPSocketAction::PORT), causes)
        }),
        (Probe::GRPC, |grpc, _, causes| numbers::port_or_name(&grpc.member(GRPCAction::PORT), causes)),
        (LifecycleHandler::SLEEP, sleep),
    ];
    let mut given = 0;
    for (member, check) in ways {
        let way = handler.member(member);
        if !way.is_set() {
            continue;
        }
        if given > 0 {
            causes.forbidden(&way, "may not specify more than 1 handler type");
        } else {
            given += 1;
            check(&way, grace, causes);
        }
    }
    if given == 0 {
        causes.required(handler);
    }
}

fn http_get(http: &Field<'_>, causes: &mut Causes) {
    causes.require(&http.member(HTTPGetAction::PATH));
    numbers::port_or_name(&http.member(HTTPGetAction::PORT), causes);
    causes.one_of(&http.member(HTTPGetAction::SCHEME), &["HTTP", "HTTPS"]);
    let headers = http.member(HTTPGetAction::HTTP_HEADERS);
    for header in headers.items() {
        let name = header.member(HTTPHeader::NAME).text();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            causes.invalid(&headers, "a valid HTTP header must consist of alphanumeric characters or '-'");
        }
    }
}

pub(super) fn lifecycle(lifecycle: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let grace = spec.member(PodSpec::TERMINATION_GRACE_PERIOD_SECONDS).int().unwrap_or_default();
    for member in [Lifecycle::POST_START, Lifecycle::PRE_STOP] {
        let hook = lifecycle.member(member);
        if hook.is_set() {
            handler(&hook, grace, causes);
        }
    }
}

fn sleep(sleep: &Field<'_>, grace: i64, causes: &mut Causes) {
    if !(0..=grace).contains(&sleep.member(SleepAction::SECONDS).int().unwrap_or_default()) {
        causes.invalid(sleep, "must be non-negative and less than or equal to terminationGracePeriodSeconds");
    }
}
