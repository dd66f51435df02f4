//! Plugins that behave badly on demand, for tests of the host.

use std::{thread, time::Duration};

use gantry_plugin::{
    Cause, Controller, Cx, EventType, Failure, Hooks, HostRef, Key, NoConfig, Nodes, ObjectReference, Ops, Outcome,
    Plugin, Pod, Query, Reader, Scheduler, Scored, ServiceType, Verdicts, Watch, resource,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A service type whose `validate` does what the object's text says.
struct Hostile {
    greeting: String,
}

#[derive(Deserialize)]
struct HostileConfig {
    #[serde(default)]
    greeting: String,
}

impl Plugin for Hostile {
    const ID: &'static str = "test/hostile";
    const VERSION: &'static str = "1.2.3";
    const CONFIG_SCHEMA: &'static str =
        r#"{"type":"object","additionalProperties":false,"properties":{"greeting":{"type":"string","maxLength":20}}}"#;
    type Config = HostileConfig;

    fn new(host: HostRef<'_>, config: HostileConfig) -> Result<Self, String> {
        host.setup_log().info("made");
        if config.greeting == "refuse" {
            Err("refused as asked".into())
        } else {
            Ok(Self { greeting: config.greeting })
        }
    }
}

impl ServiceType for Hostile {
    const TYPE: &'static str = "Hostile";

    fn validate(&self, cx: &Cx<'_>, _: Option<&[u8]>, new: &[u8]) -> Result<Vec<Cause>, Failure> {
        match new {
            b"panic" => panic!("as asked"),
            b"fail" => Err(Failure::new("failed as asked")),
            b"spin" => loop {
                std::hint::spin_loop();
            },
            b"late" => {
                while !cx.expired() {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(Failure::deadline())
            }
            b"memory" => {
                let reason = "x".repeat(1 << 20);
                Ok(vec![Cause { reason, field: String::new(), message: String::new() }; 100])
            }
            _ => Ok(vec![Cause { reason: "Greeting".into(), field: "spec".into(), message: self.greeting.clone() }]),
        }
    }

    fn plan(&self, _: &Cx<'_>, node: &str, _: &[u8], _: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(node.as_bytes().to_vec())
    }
}

/// Keeps as many pods as a ConfigMap's data says, and panics, hangs or fails when it says so.
struct Pods;

impl Plugin for Pods {
    const ID: &'static str = "test/pods";
    const VERSION: &'static str = "1.2.3";
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Controller for Pods {
    const WATCHES: &'static [Watch] =
        &[Watch::primary(resource::CONFIG_MAPS), Watch::owned(resource::PODS, resource::CONFIG_MAPS)];

    fn reconcile(&self, _: &Cx<'_>, key: &Key, read: &Reader<'_>, ops: &mut Ops) -> Result<Outcome, Failure> {
        let Some(owner) = read.find(&resource::CONFIG_MAPS, &key.namespace, &key.name)? else {
            return Ok(Outcome::Done);
        };
        let object: Value = owner.decode()?;
        let data = |name: &str| object["data"][name].as_str().unwrap_or_default();
        match data("mode") {
            "panic" => panic!("as asked"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "fail" => return Err(Failure::new("failed as asked")),
            _ => {}
        }
        let wanted: usize = data("pods").parse().unwrap_or(0);
        let pods = read.objects(&Query::within(&resource::PODS, &key.namespace).owned_by(owner.uid))?;
        for _ in pods.len()..wanted {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
                "generateName": format!("{}-", owner.name),
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid, "controller": true}],
            }});
            let created = ops.create(&resource::PODS, owner.namespace, &pod).id();
            let regarding = ObjectReference::from(&owner);
            ops.event(&regarding, EventType::Normal, "Created", "made {name}").if_succeeded(created).done();
        }
        for pod in pods.iter().skip(wanted) {
            ops.delete(&resource::PODS, pod.namespace, pod.name).expect_uid(pod.uid).done();
        }
        Ok(Outcome::Done)
    }
}

/// Lets every pod pass, save those whose names ask for something else.
struct Moody;

impl Plugin for Moody {
    const ID: &'static str = "test/moody";
    const VERSION: &'static str = "1.2.3";
    type Config = NoConfig;

    fn new(_: HostRef<'_>, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Scheduler for Moody {
    type Cycle = ();
    const HOOKS: Hooks = Hooks::FILTER.and(Hooks::SCORE).and(Hooks::BIND);

    fn filter(
        &self,
        _: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        (): &(),
        out: &mut Verdicts<'_>,
    ) -> Result<(), Failure> {
        match pod.name {
            "panic" => panic!("as asked"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "none" => (0..nodes.selected().len()).for_each(|position| out.unschedulable(position, "not today")),
            _ => {}
        }
        Ok(())
    }

    fn score(&self, _: &Cx<'_>, pod: &Pod<'_>, _: &Nodes<'_>, (): &(), scores: &mut [i64]) -> Result<Scored, Failure> {
        scores.fill(if pod.name == "wild" { 101 } else { 1 });
        Ok(Scored::Yes)
    }

    fn pre_bind(&self, _: &Cx<'_>, pod: &Pod<'_>, node: &str, (): &mut ()) -> Result<Option<Vec<u8>>, Failure> {
        let note = json!({"metadata": {"annotations": {"test/node": node}}});
        Ok((pod.name == "noted").then(|| note.to_string().into_bytes()))
    }
}

gantry_plugin::export!(Hostile: ServiceType, Pods: Controller, Moody: Scheduler);
