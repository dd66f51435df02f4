//! Probes and lifecycle hooks.

use crate::{
    field::{Causes, Field},
    rules::numbers,
};

type Check = fn(&Field<'_>, i64, &mut Causes);

pub(super) fn of_container(container: &Field<'_>, causes: &mut Causes) {
    for member in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.member(member);
        if !probe.is_set() {
            continue;
        }
        self::probe(&probe, causes);
        let threshold = probe.member("successThreshold");
        if member != "readinessProbe" {
            if threshold.int() != Some(1) {
                causes.invalid(&threshold, "must be 1");
            }
        } else if probe.member("terminationGracePeriodSeconds").is_set() {
            causes.invalid(&probe.member("terminationGracePeriodSeconds"), "must not be set for readinessProbes");
        }
    }
}

fn probe(probe: &Field<'_>, causes: &mut Causes) {
    handler(probe, 0, causes);
    for member in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        causes.non_negative(&probe.member(member));
    }
    causes.positive(&probe.member("terminationGracePeriodSeconds"));
}

/// Exactly one way to ask or act; only hooks sleep, within the pod's `grace` seconds.
fn handler(handler: &Field<'_>, grace: i64, causes: &mut Causes) {
    let ways: [(&str, Check); 5] = [
        ("exec", |exec, _, causes| {
            causes.require(&exec.member("command"));
        }),
        ("httpGet", |http, _, causes| http_get(http, causes)),
        ("tcpSocket", |tcp, _, causes| numbers::port_or_name(&tcp.member("port"), causes)),
        ("grpc", |grpc, _, causes| numbers::port_or_name(&grpc.member("port"), causes)),
        ("sleep", sleep),
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
    causes.require(&http.member("path"));
    numbers::port_or_name(&http.member("port"), causes);
    causes.one_of(&http.member("scheme"), &["HTTP", "HTTPS"]);
    let headers = http.member("httpHeaders");
    for header in headers.items() {
        let name = header.member("name").text();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            causes.invalid(&headers, "a valid HTTP header must consist of alphanumeric characters or '-'");
        }
    }
}

pub(super) fn lifecycle(lifecycle: &Field<'_>, spec: &Field<'_>, causes: &mut Causes) {
    let grace = spec.member("terminationGracePeriodSeconds").int().unwrap_or_default();
    for member in ["postStart", "preStop"] {
        let hook = lifecycle.member(member);
        if hook.is_set() {
            handler(&hook, grace, causes);
        }
    }
}

fn sleep(sleep: &Field<'_>, grace: i64, causes: &mut Causes) {
    if !(0..=grace).contains(&sleep.member("seconds").int().unwrap_or_default()) {
        causes.invalid(sleep, "must be non-negative and less than or equal to terminationGracePeriodSeconds");
    }
}
