//! The macro that makes a library a plugin, and what it expands to.

use std::ffi::c_void;

use gantry_abi as abi;

use crate::plugin::Plugin;

/// What a plugin does, as [`export!`](crate::export) is told.
pub mod role {
    use std::ffi::c_void;

    /// One of the plugin traits that `P` implements, as interfaces.
    pub trait Role<P> {
        const INTERFACES: &'static [&'static str];
        const COLUMNS: &'static [&'static str];
        /// The function table of an interface of this role.
        fn find(id: &str) -> Option<*const c_void>;
    }

    /// [`trait@crate::Scheduler`]
    pub struct Scheduler;
    /// [`trait@crate::Controller`]
    pub struct Controller;
    /// [`trait@crate::ServiceType`]
    pub struct ServiceType;
}

/// A plugin with all its roles. Implemented by [`export!`](crate::export).
pub trait Exported: Plugin {
    const INTERFACES: &'static [&'static str];
    const COLUMNS: &'static [&'static str];
    /// This plugin's object in the manifest.
    const MANIFEST: &'static str;
    const DESC: &'static abi::Desc;
    fn find(id: &str) -> Option<*const c_void>;
}

/// `gantry_instance.query`
///
/// # Safety
/// As the header says.
pub unsafe extern "C" fn query<P: Exported>(_: *mut abi::Instance, id: abi::Str) -> *const c_void {
    // SAFETY: a borrowed text of the host.
    unsafe { id.text() }.and_then(P::find).unwrap_or(std::ptr::null())
}

/// Makes the plugins of this library known: the entry symbol, the manifest section, and a guarded function for every hook.
/// Once per library (`crate-type = ["cdylib"]`).
///
/// ```text
/// gantry_plugin::export!(Binpack: Scheduler, Janitor: Controller);
/// ```
/// A type that does two things names both: `Acme: Scheduler + Controller`.
#[macro_export]
macro_rules! export {
    ($head:ty : $head_role:ident $(+ $head_more:ident)* $(, $tail:ty : $tail_role:ident $(+ $tail_more:ident)*)* $(,)?) => {
        $crate::export!(@exported $head, $head_role $(, $head_more)*);
        $($crate::export!(@exported $tail, $tail_role $(, $tail_more)*);)*
        const _: () = {
            use $crate::{abi, export::{Exported, query}, instance, manifest, Plugin};

            const MANIFEST_PARTS: &[&str] = &[
                "{\"abi\":[1,0],\"plugins\":[", <$head as Exported>::MANIFEST,
                $(",", <$tail as Exported>::MANIFEST,)*
                "]}",
            ];

            #[used]
            #[unsafe(link_section = ".gantry.manifest")]
            static MANIFEST: [u8; manifest::total_len(MANIFEST_PARTS)] = manifest::concat(MANIFEST_PARTS);

            unsafe extern "C" fn describe(index: u32) -> *const abi::Desc {
                let all: &[&'static abi::Desc] = &[<$head as Exported>::DESC, $(<$tail as Exported>::DESC,)*];
                all.get(index as usize).map_or(std::ptr::null(), |desc| std::ptr::from_ref(*desc))
            }

            unsafe extern "C" fn create(
                host: *const abi::Host,
                call: *const abi::Call,
                plugin_id: abi::Str,
                config_json: abi::Str,
                out: *mut *mut abi::Instance,
            ) -> abi::Code {
                // SAFETY: a borrowed text of the host; the other arguments go on as they came.
                unsafe {
                    match plugin_id.text() {
                        Some(<$head as Plugin>::ID) => instance::create::<$head>(host, call, config_json, query::<$head>, out),
                        $(Some(<$tail as Plugin>::ID) => instance::create::<$tail>(host, call, config_json, query::<$tail>, out),)*
                        _ => abi::E_UNSUPPORTED,
                    }
                }
            }

            #[unsafe(no_mangle)]
            pub static gantry_plugin_entry: abi::Entry = abi::Entry {
                magic: abi::MAGIC,
                abi_major: abi::ABI_MAJOR,
                abi_minor: abi::ABI_MINOR,
                size: abi::size_of_u32::<abi::Entry>(),
                min_host_minor: 0,
                describe: Some(describe),
                create: Some(create),
                manifest: abi::Str::of_bytes(&MANIFEST),
            };
        };
    };
    (@exported $plugin:ty, $($role:ident),+) => {
        impl $crate::export::Exported for $plugin {
            const INTERFACES: &'static [&'static str] = {
                const LISTS: &[&[&str]] =
                    &[$(<$crate::export::role::$role as $crate::export::role::Role<$plugin>>::INTERFACES),+];
                const FLAT: [&str; $crate::manifest::flat_len(LISTS)] = $crate::manifest::flat(LISTS);
                &FLAT
            };
            const COLUMNS: &'static [&'static str] = {
                const LISTS: &[&[&str]] =
                    &[$(<$crate::export::role::$role as $crate::export::role::Role<$plugin>>::COLUMNS),+];
                const FLAT: [&str; $crate::manifest::flat_len(LISTS)] = $crate::manifest::flat(LISTS);
                &FLAT
            };
            const MANIFEST: &'static str = {
                use $crate::{export::Exported, manifest, Plugin};
                const INTERFACES: [u8; manifest::joined_len(<$plugin as Exported>::INTERFACES)] =
                    manifest::joined(<$plugin as Exported>::INTERFACES);
                const COLUMNS: [u8; manifest::joined_len(<$plugin as Exported>::COLUMNS)] =
                    manifest::joined(<$plugin as Exported>::COLUMNS);
                const PARTS: &[&str] = &[
                    "{\"id\":\"", manifest::plain(<$plugin as Plugin>::ID),
                    "\",\"version\":\"", manifest::plain(<$plugin as Plugin>::VERSION),
                    "\",\"interfaces\":[", manifest::text(&INTERFACES),
                    "],\"columns\":[", manifest::text(&COLUMNS),
                    "],\"configSchema\":", <$plugin as Plugin>::CONFIG_SCHEMA,
                    "}",
                ];
                const BYTES: [u8; manifest::total_len(PARTS)] = manifest::concat(PARTS);
                manifest::text(&BYTES)
            };
            const DESC: &'static $crate::abi::Desc = {
                use $crate::{abi, export::Exported, manifest, Plugin};
                const INTERFACES: [abi::Str; <$plugin as Exported>::INTERFACES.len()] =
                    manifest::strs(<$plugin as Exported>::INTERFACES);
                const COLUMNS: [abi::Str; <$plugin as Exported>::COLUMNS.len()] =
                    manifest::strs(<$plugin as Exported>::COLUMNS);
                &abi::Desc {
                    size: abi::size_of_u32::<abi::Desc>(),
                    flags: 0,
                    id: abi::Str::of(<$plugin as Plugin>::ID),
                    version: abi::Str::of(<$plugin as Plugin>::VERSION),
                    config_schema: abi::Str::of(<$plugin as Plugin>::CONFIG_SCHEMA),
                    interfaces: INTERFACES.as_ptr(),
                    n_interfaces: INTERFACES.len() as u64,
                    columns: COLUMNS.as_ptr(),
                    n_columns: COLUMNS.len() as u64,
                }
            };
            fn find(id: &str) -> Option<*const std::ffi::c_void> {
                None$(.or_else(|| <$crate::export::role::$role as $crate::export::role::Role<$plugin>>::find(id)))+
            }
        }
    };
}
