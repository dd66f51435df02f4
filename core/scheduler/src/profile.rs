//! Which plugins decide for which scheduler name.

use std::{sync::Arc, time::Duration};

use gantry_plugin_host::{CallSpec, Interest, Plugin, PluginHost, interface};
use tracing::error;

/// One scheduler name and its plugins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileConfig {
    /// `spec.schedulerName` of the pods it decides about.
    pub scheduler_name: String,
    /// Plugin ids and the weights of their scores; `None`: all that are loaded, with upstream's weights.
    pub plugins: Option<Vec<(String, i64)>>,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        Self { scheduler_name: "default-scheduler".into(), plugins: None }
    }
}

/// Upstream's order, which decides what a node that is refused for several reasons is said to lack, and its weights.
const ORDER: &[(&str, i64)] = &[
    ("NodeUnschedulable", 1),
    ("NodeName", 1),
    ("TaintToleration", 3),
    ("NodeAffinity", 2),
    ("NodePorts", 1),
    ("NodeResourcesFit", 1),
];

/// The plugins of a profile that names none: first those of upstream in its order, then all others by name.
fn all(host: &PluginHost) -> Vec<(String, i64)> {
    let mut ids: Vec<String> = host.plugins_with(interface::SCHEDULER).iter().map(|p| p.id().to_owned()).collect();
    let place = |id: &str| ORDER.iter().position(|(known, _)| *known == id).unwrap_or(ORDER.len());
    ids.sort_by(|a, b| (place(a), a).cmp(&(place(b), b)));
    let weight = |id: &str| ORDER.get(place(id)).map_or(1, |(_, weight)| *weight);
    ids.into_iter()
        .map(|id| {
            let weight = weight(&id);
            (id, weight)
        })
        .collect()
}

pub(crate) struct ProfilePlugin {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) weight: i64,
    /// `None`: every event may help.
    interests: Option<Vec<Interest>>,
}

impl ProfilePlugin {
    /// Whether an event may help pods that this plugin refused.
    pub(crate) fn cares_about(&self, resource: &str, actions: u32) -> bool {
        let concerns = |interest: &Interest| {
            (interest.resource == resource || interest.resource == "*") && interest.actions & actions != 0
        };
        self.interests.as_ref().is_none_or(|interests| interests.iter().any(concerns))
    }

    pub(crate) fn gives_hints(&self) -> bool {
        self.interests.is_some()
    }
}

pub(crate) struct Profile {
    pub(crate) scheduler_name: String,
    pub(crate) plugins: Vec<ProfilePlugin>,
    /// Asked for, but not loaded: its pods stay pending, with these names.
    pub(crate) missing: Vec<String>,
}

pub(crate) async fn profiles(config: &[ProfileConfig], host: &PluginHost, budget: Duration) -> Vec<Arc<Profile>> {
    let mut profiles = Vec::new();
    for wanted in config {
        profiles.push(Arc::new(profile(wanted, host, budget).await));
    }
    profiles
}

async fn profile(wanted: &ProfileConfig, host: &PluginHost, budget: Duration) -> Profile {
    let named = wanted.plugins.clone().unwrap_or_else(|| all(host));
    let (mut plugins, mut missing) = (Vec::new(), Vec::new());
    for (id, weight) in named {
        match host.plugin(&id).filter(|plugin| plugin.manifest().has(interface::SCHEDULER)) {
            Some(plugin) => {
                let interests = interests(&plugin, budget).await;
                plugins.push(ProfilePlugin { plugin, weight, interests });
            }
            None => {
                error!(plugin = id, profile = wanted.scheduler_name, "a plugin of the profile is not loaded");
                missing.push(id);
            }
        }
    }
    if plugins.is_empty() && missing.is_empty() {
        missing.push("(no scheduler plugin is loaded)".into());
    }
    Profile { scheduler_name: wanted.scheduler_name.clone(), plugins, missing }
}

async fn interests(plugin: &Arc<Plugin>, budget: Duration) -> Option<Vec<Interest>> {
    if !plugin.manifest().has("gantry.sched.events/1") {
        return None;
    }
    let asked = plugin.run(move |plugin, hang| {
        plugin.scheduler_events(&CallSpec { budget: Some(budget), hang: Some(hang), ..CallSpec::default() })
    });
    // A plugin that cannot tell is told of everything.
    asked.await.inspect_err(|error| error!(plugin = plugin.id(), %error, "its events are unknown")).ok()
}
