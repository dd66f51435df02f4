//! What is refused, why, and that nothing of it ran. The modules are compiled from C, against the header that third parties use.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use gantry_plugin_host::{Pin, PluginConfig, PluginHost, Refusal, check};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    host: PluginHost,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let host = PluginHost::new(&dir.path().join("store")).expect("a host");
        Self { dir, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Compiles tests/c/module.c with these arguments.
    fn module(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let out = self.path(name);
        gantry_testkit::c_library(&here.join("tests/c/module.c"), &here.join("../../sdk/abi/include"), &out, arguments);
        fs::set_permissions(&out, Permissions::from_mode(0o755)).expect("ours");
        out
    }

    fn refusal(&self, path: &Path) -> Refusal {
        self.host.load(path, &Pin::default()).expect_err("it must be refused")
    }
}

#[test]
fn a_module_in_c_is_loaded_and_called() {
    let bench = Bench::new();
    let path = bench.module("good.so", &[]);
    let plugins = bench.host.load_all(&path).expect("a good module");
    assert_eq!(plugins[0].service_type(&Default::default()), Ok("C".to_owned()));
    assert_eq!(plugins[0].service_validate(&Default::default(), None, b"x").expect("one cause")[0].reason, "R");
}

#[test]
fn what_is_no_plugin_is_refused_with_its_reason() {
    let bench = Bench::new();
    let text = bench.path("text.so");
    fs::write(&text, "not a library").expect("writes");
    assert_eq!(bench.refusal(&text).reason(), "NotAPlugin");
    fs::write(&text, b"\x7fELF and no more").expect("writes");
    assert_eq!(bench.refusal(&text).reason(), "WrongMachine");
    assert_eq!(bench.refusal(&bench.path("missing.so")).reason(), "Unreadable");
    assert_eq!(bench.refusal(bench.dir.path()).reason(), "NotAFile");
    let link = bench.path("link.so");
    symlink(&text, &link).expect("links");
    assert_eq!(bench.refusal(&link).reason(), "SymbolicLink");
    assert_eq!(bench.refusal(Path::new("/bin/sh").canonicalize().expect("a shell").as_path()).reason(), "NoEntry");
}

#[test]
fn a_module_that_others_may_write_is_refused() {
    let bench = Bench::new();
    let path = bench.module("loose.so", &[]);
    fs::set_permissions(&path, Permissions::from_mode(0o775)).expect("ours");
    assert!(matches!(bench.refusal(&path), Refusal::Writable(0o775)));
}

#[test]
fn a_module_with_another_digest_than_pinned_is_refused() {
    let bench = Bench::new();
    let path = bench.module("pinned.so", &[]);
    let sha256 = check(&path, &Pin::default()).expect("good").sha256;
    assert!(bench.host.load(&path, &Pin { sha256: Some(sha256.to_uppercase()) }).is_ok());
    let other = Pin { sha256: Some("00".repeat(32)) };
    assert_eq!(bench.host.load(&path, &other).expect_err("another digest").reason(), "DigestMismatch");
}

#[test]
fn malformed_and_foreign_modules_are_refused_before_anything_of_them_runs() {
    let bench = Bench::new();
    let cases: &[(&str, &[&str])] = &[
        ("NoManifest", &["-DNO_MANIFEST"]),
        ("NoEntry", &["-DNO_ENTRY"]),
        ("AbiMismatch", &["-DABI_JSON=\"[2,0]\""]),
        ("HostTooOld", &["-DABI_JSON=\"[1,99]\""]),
        ("BadManifest", &["-DABI_JSON=\"[1,0],\""]),
        ("UnknownColumn", &["-DCOLUMNS=\"\\\"node.mood\\\"\""]),
        ("BadSchema", &["-DSCHEMA=\"{\\\"if\\\":{}}\""]),
        ("SearchPath", &["-Wl,-rpath,/tmp"]),
        ("ExecutableStack", &["-Wl,-z,execstack"]),
        ("ForeignLibrary", &["-Wl,--no-as-needed", "-lresolv"]),
    ];
    for (reason, arguments) in cases {
        let variable = format!("GANTRY_TEST_RAN_{reason}");
        let constructor = format!("-DCONSTRUCTOR=\"{variable}\"");
        let mut arguments = arguments.to_vec();
        arguments.extend(["-D_DEFAULT_SOURCE", &constructor]);
        let refusal = bench.refusal(&bench.module(&format!("{reason}.so"), &arguments));
        assert_eq!(refusal.reason(), *reason, "{refusal}");
        assert!(std::env::var_os(&variable).is_none(), "{reason}: its constructor ran");
    }
}

#[test]
fn an_entry_that_contradicts_the_manifest_is_refused() {
    let bench = Bench::new();
    for (reason, argument) in
        [("Contradiction", "-DMANIFEST_VERSION=\"2.0.0\""), ("AbiMismatch", "-DMAJOR=7"), ("NotAPlugin", "-DMAGIC=1")]
    {
        assert_eq!(bench.refusal(&bench.module(&format!("{reason}.so"), &[argument])).reason(), reason);
    }
}

#[test]
fn only_the_copy_is_mapped_so_a_replaced_file_changes_nothing() {
    let bench = Bench::new();
    let path = bench.module("first.so", &[]);
    let first = bench.host.load(&path, &Pin::default()).expect("good");
    let kept = bench.path("store").join(format!("{}.so", first.checked().sha256));
    assert!(kept.exists());
    fs::write(&path, "gone").expect("writes");
    let plugin = bench.host.configure("test/c", PluginConfig::default()).expect("no configuration needed");
    assert_eq!(plugin.service_type(&Default::default()), Ok("C".to_owned()));
}

#[test]
fn bad_results_are_faults_and_the_third_quarantines() {
    let bench = Bench::new();
    let path = bench.module("bad.so", &[]);
    bench.host.load(&path, &Pin::default()).expect("good");
    for object in [b"l", b"n", b"s", b"u", b"m", b"c"] {
        let plugin = bench.host.configure("test/c", PluginConfig::default()).expect("fresh account");
        let error = plugin.service_validate(&Default::default(), None, object).expect_err("a fault");
        let text = error.to_string();
        assert!(text.contains("test/c returned"), "{}: {text}", object[0] as char);
    }
    let plugin = bench.host.configure("test/c", PluginConfig::default()).expect("fresh account");
    for _ in 0..3 {
        assert_eq!(plugin.status().health, "Healthy");
        assert!(plugin.service_validate(&Default::default(), None, b"u").is_err());
    }
    assert_eq!(plugin.status().health, "Quarantined");
    let refused = plugin.service_validate(&Default::default(), None, b"x").expect_err("quarantined");
    assert!(refused.to_string().contains("quarantined for another"), "{refused}");
}
