//! Compiles the C header with the system's compiler and compares every size, offset and number with the mirror.

use std::{collections::BTreeMap, fmt::Write as _, mem::offset_of, path::Path, process::Command};

use gantry_abi as abi;

/// Facts of the mirror by the C expression that must give the same number.
struct Facts(BTreeMap<String, u64>);

macro_rules! structs {
    ($facts:ident; $($rust:ident as $c:ident { $($field:ident $(as $c_field:ident)?),* })*) => {$(
        $facts.0.insert(format!("sizeof({})", stringify!($c)), size_of::<abi::$rust>() as u64);
        $($facts.0.insert(
            format!("offsetof({}, {})", stringify!($c), structs!(@name $field $($c_field)?)),
            offset_of!(abi::$rust, $field) as u64,
        );)*
    )*};
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $c_field:ident) => { stringify!($c_field) };
}

macro_rules! numbers {
    ($facts:ident; $($name:ident)*) => {$(
        $facts.0.insert(format!("GANTRY_{}", stringify!($name)), abi::$name as i64 as u64);
    )*};
}

fn mirror() -> Facts {
    let mut facts = Facts(BTreeMap::new());
    structs! { facts;
        Str as gantry_str { p, n }
        Arena as gantry_arena { size, flags, alloc }
        Call as gantry_call { size, attempt, call_id, deadline_ns, now_ns, cancel, arena, message, trace_id, span_id }
        Host as gantry_host { size, abi_major, abi_minor, ctx, query }
        HostLogV1 as gantry_host_log_v1 { size, flags, level, log }
        HostTextV1 as gantry_host_text_v1 { size, flags, text, find }
        Object as gantry_object { size, flags, group, version, resource, kind, ns, name, uid, resource_version, json }
        Query as gantry_query { size, flags, group, version, resource, ns, name, label_selector, owner_uid, index_path, index_value }
        Resource as gantry_resource { size, flags, group, version, resource, kind }
        HostReaderV1 as gantry_host_reader_v1 { size, flags, get, list, resources }
        Instance as gantry_instance { size, flags, this as self, query, destroy }
        Desc as gantry_desc { size, flags, id, version, config_schema, interfaces, n_interfaces, columns, n_columns }
        Entry as gantry_entry { magic, abi_major, abi_minor, size, min_host_minor, describe, create, manifest }
        Span as gantry_span { start, n }
        Col as gantry_col { kind as type, reserved, data, spans, n_data }
        Nodes as gantry_nodes { size, n_rows, generation, cols, n_cols, sel, n_sel }
        Qty as gantry_qty { resource, reserved, value }
        Pod as gantry_pod { size, priority, generation, uid, ns, name, scheduler_name, requests, n_requests, nonzero_cpu, nonzero_memory, json }
        SchedCycleV1 as gantry_sched_cycle_v1 { size, flags, begin, clone, end }
        SchedEnqueueV1 as gantry_sched_enqueue_v1 { size, flags, pre_enqueue }
        SchedFilterV1 as gantry_sched_filter_v1 { size, flags, pre_filter, filter, pods_changed }
        SchedScoreV1 as gantry_sched_score_v1 { size, flags, score, normalize }
        SchedBindV1 as gantry_sched_bind_v1 { size, flags, reserve, unreserve, permit, pre_bind, post_bind }
        Event as gantry_event { size, actions, group, resource }
        SchedEventsV1 as gantry_sched_events_v1 { size, flags, events, hint }
        Watch as gantry_watch { size, flags, map, reserved, group, version, resource, owner_group, owner_kind, indexes, n_indexes }
        Key as gantry_key { scope, ns, name }
        Work as gantry_work { size, attempt, key, failures }
        Op as gantry_op { size, op, flags, stage, group, version, resource, subresource, ns, name, expect_uid,
            expect_resource_version, body, propagation, after, grace_seconds }
        Outcome as gantry_outcome { code, reserved, requeue_ms, first_op, n_ops, message }
        CtlReconcileV1 as gantry_ctl_reconcile_v1 { size, flags, watches, map, reconcile }
        Claim as gantry_claim { size, flags, pool, want, fields, n_fields }
        Cause as gantry_cause { size, flags, reason, field, message }
        SvcTypeV1 as gantry_svc_type_v1 { size, flags, type_name, validate, allocate, release, status, plan }
    }
    numbers! { facts; MAGIC ABI_MAJOR ABI_MINOR OK ERROR UNSCHEDULABLE UNRESOLVABLE WAIT SKIP PENDING E_PANIC E_DEADLINE
    E_POISONED E_UNSUPPORTED E_INVALID LOG_ERROR LOG_WARN LOG_INFO LOG_DEBUG READ_LIVE READ_METADATA RESOURCE_NAMESPACED
    RESOURCE_DELETABLE RESOURCE_COLLECTION COL_I64 COL_SID COL_LIST_I64 COL_LIST_SID ALL_ROWS SCORE_MAX ACTION_ADD
    ACTION_DELETE ACTION_LABELS ACTION_TAINTS ACTION_ALLOCATABLE ACTION_CONDITIONS ACTION_OTHER ACTION_ALL MAP_NONE
    MAP_SELF MAP_OWNER MAP_CUSTOM WATCH_METADATA OP_CREATE OP_UPDATE OP_PATCH_JSON OP_PATCH_MERGE OP_PATCH_STRATEGIC
    OP_APPLY OP_DELETE OP_DELETE_COLLECTION OP_EVENT PROPAGATION_DEFAULT PROPAGATION_BACKGROUND PROPAGATION_FOREGROUND
    PROPAGATION_ORPHAN OP_FORCE OP_IGNORE_NOT_FOUND OP_IGNORE_EXISTS OP_IF_SUCCEEDED OP_IF_FAILED OP_GRACE }
    facts
}

/// A program that prints each expression's value, one a line.
fn c_program(facts: &Facts) -> String {
    let mut source =
        String::from("#include <gantry/plugin.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n");
    for expression in facts.0.keys() {
        let _ = writeln!(source, "  printf(\"%llu\\n\", (unsigned long long)(long long)({expression}));");
    }
    source.push_str("  return 0;\n}\n");
    source
}

fn compiled_facts(facts: &Facts) -> Vec<u64> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (source, binary) = (dir.path().join("layout.c"), dir.path().join("layout"));
    std::fs::write(&source, c_program(facts)).expect("writes the program");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(&compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(&include)
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .output()
        .unwrap_or_else(|e| panic!("a C compiler is needed ({compiler}): {e}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let printed = Command::new(&binary).output().expect("runs");
    String::from_utf8(printed.stdout).expect("digits").lines().map(|l| l.parse().expect("a number")).collect()
}

#[test]
fn the_mirror_has_the_layout_of_the_header() {
    let facts = mirror();
    let compiled = compiled_facts(&facts);
    assert_eq!(compiled.len(), facts.0.len());
    for ((expression, mirrored), compiled) in facts.0.iter().zip(compiled) {
        assert_eq!(*mirrored, compiled, "{expression}");
    }
}

#[test]
fn every_struct_of_the_header_is_mirrored() {
    let facts = mirror();
    for line in abi::PLUGIN_H.lines() {
        let Some(name) = line.strip_prefix("typedef struct ").and_then(|rest| rest.split_whitespace().next()) else {
            continue;
        };
        assert!(facts.0.contains_key(&format!("sizeof({name})")), "{name} is missing in the mirror");
    }
}
