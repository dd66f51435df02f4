//! The host: modules, and the plugins configured from them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use thiserror::Error;

use crate::{
    lane::Lanes,
    load::{self, Module, Pin, Refusal, Schema},
    plugin::{Plugin, PluginConfig, PluginStatus},
    watchdog::Watchdog,
};

/// What all plugins of a host share.
pub(crate) struct Engine {
    pub(crate) watchdog: Watchdog,
    pub(crate) lanes: Lanes,
}

/// Loads modules into this process (tier T0) and keeps the plugins that are configured from them.
pub struct PluginHost {
    store: PathBuf,
    engine: Arc<Engine>,
    modules: Mutex<Vec<Arc<Module>>>,
    plugins: Mutex<BTreeMap<String, Arc<Plugin>>>,
}

/// Why a plugin is not configured.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("no loaded module holds plugin {0}")]
    Unknown(String),
    #[error("the configuration of plugin {id} is refused: {}", faults.join("; "))]
    Invalid { id: String, faults: Vec<String> },
    #[error("the config schema of plugin {id} cannot be read: {why}")]
    Schema { id: String, why: String },
}

impl PluginHost {
    /// A host that keeps copies of modules in `store`, a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made, or the watchdog's thread not started.
    pub fn new(store: &Path) -> std::io::Result<Self> {
        load::make_store(store)?;
        let engine = Engine { watchdog: Watchdog::start()?, lanes: Lanes::default() };
        Ok(Self {
            store: store.to_owned(),
            engine: Arc::new(engine),
            modules: Mutex::default(),
            plugins: Mutex::default(),
        })
    }

    /// Checks and maps a module. A module that is mapped already is given back as it is.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn load(&self, path: &Path, pin: &Pin) -> Result<Arc<Module>, Refusal> {
        let examined = load::examine(path, pin)?;
        let checked = &examined.checked;
        let mut modules = self.modules.lock();
        if let Some(same) = modules.iter().find(|m| m.checked().sha256 == checked.sha256) {
            return Ok(same.clone());
        }
        let taken = |id: &str| modules.iter().any(|m| m.plugin(id).is_some());
        if let Some(twice) = checked.manifest.plugins.iter().find(|p| taken(&p.id)) {
            return Err(Refusal::Duplicate(twice.id.clone()));
        }
        let module = Arc::new(load::map(&self.store, examined)?);
        modules.push(module.clone());
        Ok(module)
    }

    /// Makes a plugin of a loaded module ready to be called, in place of one configured before.
    ///
    /// # Errors
    /// No module holds it, or its schema refuses the configuration.
    pub fn configure(&self, id: &str, config: PluginConfig) -> Result<Arc<Plugin>, ConfigError> {
        let module = self.modules.lock().iter().find(|m| m.plugin(id).is_some()).cloned();
        let unknown = || ConfigError::Unknown(id.to_owned());
        let module = module.ok_or_else(unknown)?;
        let manifest = module.plugin(id).ok_or_else(unknown)?.clone();
        let schema =
            Schema::new(&manifest.config_schema).map_err(|why| ConfigError::Schema { id: id.to_owned(), why })?;
        schema.check(&config.config).map_err(|faults| ConfigError::Invalid { id: id.to_owned(), faults })?;
        let plugin = Plugin::new(self.engine.clone(), module, manifest, config);
        self.plugins.lock().insert(id.to_owned(), plugin.clone());
        Ok(plugin)
    }

    /// Loads a module and configures each of its plugins with nothing.
    ///
    /// # Errors
    /// The module is refused, or a plugin needs a configuration.
    pub fn load_all(&self, path: &Path) -> Result<Vec<Arc<Plugin>>, LoadError> {
        let module = self.load(path, &Pin::default())?;
        let ids = module.checked().manifest.plugins.iter().map(|plugin| &plugin.id);
        ids.map(|id| Ok(self.configure(id, PluginConfig::default())?)).collect()
    }

    pub fn plugin(&self, id: &str) -> Option<Arc<Plugin>> {
        self.plugins.lock().get(id).cloned()
    }

    /// All configured plugins, by id.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.plugins.lock().values().cloned().collect()
    }

    /// Those that implement an interface.
    pub fn plugins_with(&self, interface: &str) -> Vec<Arc<Plugin>> {
        self.plugins().into_iter().filter(|plugin| plugin.manifest().has(interface)).collect()
    }

    pub fn status(&self) -> Vec<PluginStatus> {
        self.plugins().iter().map(|plugin| plugin.status()).collect()
    }

    /// Runs `job` on a thread that may be lost to a plugin that does not return.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn run_on_lane(&self, job: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.engine.lanes.run(job)
    }
}

/// Why a module's plugins are not there.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the module {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Config(#[from] ConfigError),
}
