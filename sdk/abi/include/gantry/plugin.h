/* gantry/plugin.h - the contract between Gantry and a plugin. Revision 1.0.
 *
 * Freestanding C11 (<stdint.h> alone), LP64 little-endian (x86_64, aarch64). The layout holds no bool, enum, long, bit-field
 * or varargs, so that any language can mirror it and any tier can carry it: T0 calls these functions in the server's own
 * process, T1 in a sandboxed child with columns in shared memory, T2 packs them into gRPC messages.
 *
 * RULES
 *  1. One exported symbol, `gantry_plugin_entry`. Everything else is asked for with query(ID), in both directions. An ID is
 *     NAME "/" REVISION; "gantry." is ours, third parties use a reversed domain. A revision is frozen once published: a table
 *     only gets members appended, a change of meaning gets a new revision.
 *  2. Every struct whose first member is `size` holds its own byte size there, written by whoever made it. Read a later member
 *     only if it lies inside that size; take an absent one as zero. In an array of such structs the elements lie `size` of the
 *     first element apart, and all have the same size. Structs without `size` (str, span, qty, col, key, ...) never change.
 *  3. Memory: what comes in is borrowed until the function returns, unless its comment says otherwise. What a plugin gives back
 *     (strings, arrays) is allocated from `call->arena` or is constant data of the plugin. Nothing is freed across the line.
 *     Pointers that a comment does not call "may be NULL" are not NULL, save in a str or array of length 0.
 *  4. Nothing unwinds across the line: catch everything, return GANTRY_E_PANIC, and answer GANTRY_E_POISONED from then on. The
 *     host then destroys the instance and creates a fresh one.
 *  5. Thread tags. [any]: from any thread, also at once. [serial]: from any thread, never two [serial] functions of the same
 *     instance at once. [cycle]: within one scheduling cycle, never two at once for the same cycle state; other cycles may run.
 *     [create]: only before create() returns.
 *  6. Deadlines: a function returns before call->deadline_ns. From then on *call->cancel is non-zero, and the function returns
 *     GANTRY_E_DEADLINE soon. A function that does not is a hang: the plugin is quarantined.
 *  7. A host function may be called only with the `call` of the hook that is running, and only until that hook returns.
 *  8. Text is UTF-8, never NUL-terminated. A result that is not UTF-8, too long, or out of range is a fault of the plugin.
 */
#ifndef GANTRY_PLUGIN_H
#define GANTRY_PLUGIN_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_MAGIC     0x31544e47u /* "GNT1" */
#define GANTRY_ABI_MAJOR 1u          /* differs: the plugin is refused */
#define GANTRY_ABI_MINOR 0u          /* grows when an interface or member is added */

/* --- words ----------------------------------------------------------------------------------------------------------- */

/* What every hook returns. 0 to 6 are the numbers of the scheduling framework. */
#define GANTRY_OK             0
#define GANTRY_ERROR          1  /* failed; may succeed later. call->message says why */
#define GANTRY_UNSCHEDULABLE  2  /* no, as things stand; removing pods may help */
#define GANTRY_UNRESOLVABLE   3  /* no, and removing pods cannot help */
#define GANTRY_WAIT           4  /* permit: wait */
#define GANTRY_SKIP           5  /* the hook has nothing to say about this pod; do not call its sequel */
#define GANTRY_PENDING        6  /* no, until something outside changes that the plugin waits for */
#define GANTRY_E_PANIC       -1
#define GANTRY_E_DEADLINE    -2
#define GANTRY_E_POISONED    -3
#define GANTRY_E_UNSUPPORTED -4  /* what was asked for is not there (unknown kind of query, op, resource) */
#define GANTRY_E_INVALID     -5  /* an argument is malformed (a struct too small, text that does not parse) */

typedef struct gantry_str { const uint8_t *p; uint64_t n; } gantry_str;

/* An interned text. 0 is no text. Valid through one scheduling cycle; beyond it a plugin keeps texts, not sids. */
typedef uint32_t gantry_sid;

typedef struct gantry_arena {
  uint32_t size, flags;
  /* [any] `n` bytes aligned to `align` (a power of two up to 64), uninitialised, valid until the host has read the hook's
   * results. NULL: the call's memory limit is reached; return GANTRY_ERROR. */
  void *(*alloc)(struct gantry_arena *, uint64_t n, uint64_t align);
} gantry_arena;

/* One call of a hook. Made by the host, borrowed for the hook's duration. */
typedef struct gantry_call {
  uint32_t size;
  uint32_t attempt;        /* 0 the first time, grows as the same work is tried again */
  uint64_t call_id;        /* unique in this host process; stands in its logs */
  uint64_t deadline_ns;    /* CLOCK_MONOTONIC */
  int64_t  now_ns;         /* nanoseconds since 1970 in UTC as the call began: the clock for decisions, so that they can be replayed */
  const uint32_t *cancel;  /* read atomically */
  gantry_arena *arena;
  gantry_str *message;     /* out: why the hook did not return GANTRY_OK; empty when the call begins */
  uint8_t trace_id[16];    /* W3C trace context, zero if there is none */
  uint8_t span_id[8];
} gantry_call;

/* --- host ------------------------------------------------------------------------------------------------------------ */

/* The host as one instance sees it. Lives until destroy() of that instance has returned. */
typedef struct gantry_host {
  uint32_t size;
  uint16_t abi_major, abi_minor;
  void *ctx;               /* the host's own */
  /* [any] A function table of the host (gantry_host_..._v1 below), which lives as long as the host; NULL if this host has not
   * got it. */
  const void *(*query)(const struct gantry_host *, gantry_str interface_id);
} gantry_host;

/* "gantry.host.log/1" */
#define GANTRY_LOG_ERROR 1u
#define GANTRY_LOG_WARN  2u
#define GANTRY_LOG_INFO  3u
#define GANTRY_LOG_DEBUG 4u
typedef struct gantry_host_log_v1 {
  uint32_t size, flags;
  /* [any] The highest level that is kept now. */
  uint32_t (*level)(const gantry_host *);
  /* [any] `kv`: n_kv pairs, key then value. The host may drop lines of a plugin that floods. `call` may be NULL inside create(). */
  void (*log)(const gantry_host *, const gantry_call *, uint32_t level, gantry_str message, const gantry_str *kv, uint64_t n_kv);
} gantry_host_log_v1;

/* "gantry.host.text/1": interned texts of the node table and of pods. Answers only within calls of scheduler hooks. */
typedef struct gantry_host_text_v1 {
  uint32_t size, flags;
  /* [any] The text of a sid, empty if there is none; valid until the hook returns. */
  gantry_str (*text)(const gantry_host *, const gantry_call *, gantry_sid);
  /* [any] The sid of a text, 0 if no node and no pod of the table uses it. Never adds one. */
  gantry_sid (*find)(const gantry_host *, const gantry_call *, gantry_str);
} gantry_host_text_v1;

/* "gantry.host.reader/1": objects. Answers only within calls of controller hooks. */
typedef struct gantry_object {
  uint32_t size, flags;
  gantry_str group, version, resource, kind;   /* resource: plural; group empty: core */
  gantry_str ns, name, uid, resource_version;
  gantry_str json;         /* the object with apiVersion, kind and metadata.resourceVersion; with READ_METADATA: without spec, status, data */
} gantry_object;

#define GANTRY_READ_LIVE     1u /* ask the API, not the cache: as fresh as any write acknowledged before. Costs a round trip */
#define GANTRY_READ_METADATA 2u /* PartialObjectMetadata is enough */
typedef struct gantry_query {
  uint32_t size, flags;    /* GANTRY_READ_... */
  gantry_str group, version, resource;  /* one that the controller watches, or any with READ_LIVE. resource "*": every one that
                                           a watch on "*" follows (list only, not with READ_LIVE) */
  gantry_str ns;           /* empty: all namespaces, or a cluster-scoped object */
  gantry_str name;         /* get: required. list: empty, or only objects of this name */
  /* list only; empty ones do not restrict, several restrict together */
  gantry_str label_selector;            /* `a=b,c in (d,e),!f` */
  gantry_str owner_uid;                 /* metadata.ownerReferences has this uid */
  gantry_str index_path, index_value;   /* a path that the watch declares in `indexes`, and the scalar there, as text */
} gantry_query;

typedef struct gantry_resource {
  uint32_t size, flags;    /* GANTRY_RESOURCE_... */
  gantry_str group, version, resource, kind;
} gantry_resource;
#define GANTRY_RESOURCE_NAMESPACED 1u
#define GANTRY_RESOURCE_DELETABLE  2u /* has list, watch and delete */
#define GANTRY_RESOURCE_COLLECTION 4u /* has deletecollection */

typedef struct gantry_host_reader_v1 {
  uint32_t size, flags;
  /* [any] *out is NULL if there is no such object. Borrowed until the hook returns, as all results of this table are.
   * GANTRY_E_UNSUPPORTED: not watched. GANTRY_ERROR: a live read failed. */
  int32_t (*get)(const gantry_host *, const gantry_call *, const gantry_query *, const gantry_object **out);
  /* [any] In order of namespace and name. */
  int32_t (*list)(const gantry_host *, const gantry_call *, const gantry_query *, const gantry_object **out, uint64_t *n);
  /* [any] What the API serves now, preferred versions only. */
  int32_t (*resources)(const gantry_host *, const gantry_call *, const gantry_resource **out, uint64_t *n);
} gantry_host_reader_v1;

/* --- the module ------------------------------------------------------------------------------------------------------ */

typedef struct gantry_instance {
  uint32_t size, flags;
  void *self;              /* the plugin's own */
  /* [any] One of the tables below, constant for the instance's life; NULL: the instance has not got this interface. */
  const void *(*query)(struct gantry_instance *, gantry_str interface_id);
  /* [serial] Last call. No other function of the instance runs or follows; joins its threads and frees all it holds. */
  void (*destroy)(struct gantry_instance *);
} gantry_instance;

typedef struct gantry_desc {
  uint32_t size, flags;
  gantry_str id;           /* `example.com/binpack`, `NodePorts`: unique in a cluster */
  gantry_str version;      /* semantic version of the plugin */
  gantry_str config_schema;  /* JSON Schema (2020-12) of the configuration */
  const gantry_str *interfaces; uint64_t n_interfaces;
  const gantry_str *columns;    uint64_t n_columns;     /* of the node table, see below; their order is that of gantry_nodes.cols */
} gantry_desc;

typedef struct gantry_entry {
  uint32_t magic;
  uint16_t abi_major, abi_minor;
  uint32_t size;
  uint32_t min_host_minor; /* an older host refuses the module */
  /* [any] The plugins of this module: index 0, 1, ... until NULL. Constant data, no side effects. */
  const gantry_desc *(*describe)(uint32_t index);
  /* [serial] `config_json` satisfies the plugin's schema. GANTRY_OK: *out is an instance that lives until its destroy(). Else
   * *out stays NULL and call->message says why. Host functions of "gantry.host.log/1" may be called. */
  int32_t (*create)(const gantry_host *, const gantry_call *, gantry_str plugin_id, gantry_str config_json, gantry_instance **out);
  gantry_str manifest;     /* the bytes of section .gantry.manifest: JSON, the same facts as describe(), read before anything runs */
} gantry_entry;

/* The only symbol looked up. */
extern const gantry_entry gantry_plugin_entry;

/* --- scheduler: the node table --------------------------------------------------------------------------------------- */

#define GANTRY_COL_I64      1u
#define GANTRY_COL_SID      2u
#define GANTRY_COL_LIST_I64 3u
#define GANTRY_COL_LIST_SID 4u

/* Elements `start` to `start + n` of a list column's data belong to a row. Rows lie in any order, gaps may exist: so one row is
 * changed without moving the others. */
typedef struct gantry_span { uint32_t start, n; } gantry_span;

typedef struct gantry_col {
  uint32_t type, reserved;
  const void *data;          /* int64_t or gantry_sid; scalars: n_rows, lists: n_data elements */
  const gantry_span *spans;  /* lists: n_rows; scalars: NULL */
  uint64_t n_data;
} gantry_col;

/* Columns of the first revision. Names that a host does not know refuse the plugin at load.
 *   node.name            SID
 *   node.unschedulable   I64, 0 or 1
 *   node.labels          LIST_SID, key value key value ...
 *   node.taints          LIST_SID, key value effect ...; a value may be 0
 *   node.images          LIST_SID, names; node.images.size LIST_I64, bytes, runs parallel
 *   node.ports           LIST_I64, address sid, protocol sid, port ...: host ports in use
 *   allocatable.cpu      I64, millicores;  .memory and .ephemeral-storage I64, bytes;  .pods I64
 *   requested.cpu ...    I64, the same four: what the pods on the node ask for, assumed pods too
 *   nonzero.cpu .memory  I64, as requested, with 100 millicores and 200 MiB for containers that ask for nothing
 *   extended.name        LIST_SID, other resources; extended.allocatable and extended.requested LIST_I64 run parallel
 * And of the pod:
 *   pod.json             no column: fills gantry_pod.json
 */
typedef struct gantry_nodes {
  uint32_t size, n_rows;
  uint64_t generation;       /* grows with each change of the table */
  const gantry_col *cols; uint64_t n_cols;   /* those of gantry_desc.columns, in that order; a `pod.` name has a col of type 0 */
  const uint32_t *sel; uint64_t n_sel;       /* candidate rows: what to look at, and the order of all per-node results */
} gantry_nodes;

typedef struct gantry_qty { gantry_sid resource; uint32_t reserved; int64_t value; } gantry_qty; /* cpu in millicores, else units */

typedef struct gantry_pod {
  uint32_t size;
  int32_t  priority;
  uint64_t generation;       /* same uid and generation: same content */
  gantry_str uid, ns, name, scheduler_name;
  const gantry_qty *requests; uint64_t n_requests;  /* of the pod as a whole: containers, init containers, sidecars, overhead */
  int64_t nonzero_cpu, nonzero_memory;              /* as the columns of that name */
  gantry_str json;           /* empty unless `pod.json` is declared */
} gantry_pod;

/* --- scheduler: hooks ------------------------------------------------------------------------------------------------ */

/* "gantry.sched.cycle/1": required of every scheduler plugin. The cycle state travels through the hooks of one pod's cycle. */
typedef struct gantry_sched_cycle_v1 {
  uint32_t size, flags;
  /* [cycle] *state may be NULL. */
  int32_t (*begin)(gantry_instance *, const gantry_call *, const gantry_pod *, void **state);
  /* [cycle] A copy for a what-if run. */
  int32_t (*clone)(gantry_instance *, const gantry_call *, const void *state, void **copy);
  /* [cycle] Frees the state. No message, no failure. */
  void (*end)(gantry_instance *, void *state);
} gantry_sched_cycle_v1;

/* "gantry.sched.enqueue/1" */
typedef struct gantry_sched_enqueue_v1 {
  uint32_t size, flags;
  /* [any] OK, or UNRESOLVABLE: the pod is not tried until an event that hint() answers. */
  int32_t (*pre_enqueue)(gantry_instance *, const gantry_call *, const gantry_pod *);
} gantry_sched_enqueue_v1;

/* "gantry.sched.filter/1" */
typedef struct gantry_sched_filter_v1 {
  uint32_t size, flags;
  /* [cycle] OK, SKIP (filter need not be called), UNSCHEDULABLE, UNRESOLVABLE or PENDING for all nodes. *rows, if *n_rows is not
   * GANTRY_ALL_ROWS: the only rows that can fit, a subset of nodes->sel. */
  int32_t (*pre_filter)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, const gantry_nodes *,
                        const uint32_t **rows, uint64_t *n_rows);
  /* [cycle] For each of sel: code[i] is OK, UNSCHEDULABLE or UNRESOLVABLE, preset to OK; reason[i] an index into *reasons where it
   * is not OK. A reason may hold several lines: each counts as a reason of its own. */
  int32_t (*filter)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, const gantry_nodes *,
                    uint8_t *code, uint16_t *reason, const gantry_str **reasons, uint64_t *n_reasons);
  /* [cycle] The row's pods changed in this what-if: follow in `state`. */
  int32_t (*pods_changed)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, const gantry_nodes *, uint32_t row,
                          const gantry_pod *const *added, uint64_t n_added, const gantry_pod *const *removed, uint64_t n_removed);
} gantry_sched_filter_v1;
#define GANTRY_ALL_ROWS UINT64_MAX

/* "gantry.sched.score/1" */
#define GANTRY_SCORE_MAX 100
typedef struct gantry_sched_score_v1 {
  uint32_t size, flags;
  /* [cycle] OK or SKIP. Any number per row, preset to 0. */
  int32_t (*score)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, const gantry_nodes *, int64_t *score);
  /* [cycle] After it each score is 0 to GANTRY_SCORE_MAX, else the plugin is at fault. */
  int32_t (*normalize)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, int64_t *score, uint64_t n);
} gantry_sched_score_v1;

/* "gantry.sched.bind/1" */
typedef struct gantry_sched_bind_v1 {
  uint32_t size, flags;
  /* [cycle] `node`: the name of the node chosen. */
  int32_t (*reserve)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, gantry_str node);
  /* [cycle] Undoes reserve. Idempotent; also called if reserve failed. Its code is ignored save for panics. */
  int32_t (*unreserve)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, gantry_str node);
  /* [cycle] OK, WAIT (then *wait_ms is the longest wait; when it is over the pod is refused) or a refusal. */
  int32_t (*permit)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, gantry_str node, uint32_t *wait_ms);
  /* [cycle] *patch: a JSON merge patch of the pod that the host writes with the binding; empty: nothing. */
  int32_t (*pre_bind)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, gantry_str node, gantry_str *patch);
  /* [cycle] The binding stands. For information. */
  int32_t (*post_bind)(gantry_instance *, void *state, const gantry_call *, const gantry_pod *, gantry_str node);
} gantry_sched_bind_v1;

/* "gantry.sched.events/1": what may make a pod schedulable that this plugin refused. Without it: everything. */
#define GANTRY_ACTION_ADD         1u
#define GANTRY_ACTION_DELETE      2u
#define GANTRY_ACTION_LABELS      4u
#define GANTRY_ACTION_TAINTS      8u  /* and spec.unschedulable */
#define GANTRY_ACTION_ALLOCATABLE 16u
#define GANTRY_ACTION_CONDITIONS  32u
#define GANTRY_ACTION_OTHER       64u /* any other change */
#define GANTRY_ACTION_ALL         127u
typedef struct gantry_event {
  uint32_t size, actions;    /* one or several GANTRY_ACTION_... */
  gantry_str group, resource;  /* "nodes", "pods" (those with a node) */
} gantry_event;
typedef struct gantry_sched_events_v1 {
  uint32_t size, flags;
  /* [any] Constant data. */
  const gantry_event *(*events)(gantry_instance *, uint64_t *n);
  /* [any] One event, and pods that this plugin refused: queue[i] non-zero if pods[i] is worth another try; preset to 1. `old_object`
   * and `new_object`: JSON, empty where there is none. */
  int32_t (*hint)(gantry_instance *, const gantry_call *, const gantry_event *, gantry_str old_object, gantry_str new_object,
                  const gantry_pod *const *pods, uint64_t n, uint8_t *queue);
} gantry_sched_events_v1;

/* --- controllers ----------------------------------------------------------------------------------------------------- */

/* How an event of a watched resource becomes keys. */
#define GANTRY_MAP_NONE   0u /* only cached, for reads */
#define GANTRY_MAP_SELF   1u /* the object's namespace and name */
#define GANTRY_MAP_OWNER  2u /* the controller owner's, if it is of `owner_group` and `owner_kind`; old and new state */
#define GANTRY_MAP_CUSTOM 3u /* map() is asked */
#define GANTRY_WATCH_METADATA 1u /* PartialObjectMetadata is enough */
typedef struct gantry_watch {
  uint32_t size, flags;
  uint32_t map, reserved;
  gantry_str group, version, resource;   /* resource "*": every DELETABLE resource that the API serves, also later ones */
  gantry_str owner_group, owner_kind;
  const gantry_str *indexes; uint64_t n_indexes;   /* paths like "spec.nodeName" by which list() may ask */
} gantry_watch;

/* What is reconciled: any three texts. SELF and OWNER give an empty scope. */
typedef struct gantry_key { gantry_str scope, ns, name; } gantry_key;

typedef struct gantry_work {
  uint32_t size, attempt;    /* failures in a row */
  gantry_key key;
  gantry_str failures;       /* what failed of the ops of the last try: a JSON list of {"op":INDEX,"verb","resource","name","code":HTTP status,
                                "reason","message"}; empty if nothing did */
} gantry_work;

#define GANTRY_OP_CREATE            1u  /* body: the object (metadata.generateName allowed) */
#define GANTRY_OP_UPDATE            2u  /* body: the object with metadata.resourceVersion */
#define GANTRY_OP_PATCH_JSON        3u
#define GANTRY_OP_PATCH_MERGE       4u
#define GANTRY_OP_PATCH_STRATEGIC   5u
#define GANTRY_OP_APPLY             6u  /* server-side apply as field manager = the plugin's id */
#define GANTRY_OP_DELETE            7u
#define GANTRY_OP_DELETE_COLLECTION 8u  /* every object of resource in ns that label_selector in body matches (empty: all) */
#define GANTRY_OP_EVENT             9u  /* body: {"regarding":ObjectReference,"type","reason","action","message"} */
#define GANTRY_PROPAGATION_DEFAULT    0u
#define GANTRY_PROPAGATION_BACKGROUND 1u
#define GANTRY_PROPAGATION_FOREGROUND 2u
#define GANTRY_PROPAGATION_ORPHAN     3u
#define GANTRY_OP_FORCE            1u /* apply: take fields from other managers */
#define GANTRY_OP_IGNORE_NOT_FOUND 2u /* 404 is a success */
#define GANTRY_OP_IGNORE_EXISTS    4u /* 409 AlreadyExists is a success */
#define GANTRY_OP_IF_SUCCEEDED     8u /* run only if op `after` of the same key succeeded; `{name}` in an event's message becomes its object's name */
#define GANTRY_OP_IF_FAILED       16u /* run only if it failed; `{error}` becomes the message */
#define GANTRY_OP_GRACE           32u /* grace_seconds is set */
typedef struct gantry_op {
  uint32_t size, op;
  uint32_t flags;            /* GANTRY_OP_FORCE ... */
  uint32_t stage;            /* ops of a stage run at once; a stage begins when the one before has succeeded */
  gantry_str group, version, resource, subresource, ns, name;
  gantry_str expect_uid, expect_resource_version;   /* preconditions; empty: none */
  gantry_str body;
  uint32_t propagation;
  uint32_t after;            /* index within the ops of the key */
  int64_t  grace_seconds;
} gantry_op;

typedef struct gantry_outcome {
  int32_t  code;             /* OK, or ERROR: tried again with back-off, after its ops have run */
  uint32_t reserved;
  uint64_t requeue_ms;       /* with OK: again after this time; 0: when an event comes */
  uint64_t first_op, n_ops;  /* of *ops */
  gantry_str message;        /* with ERROR */
} gantry_outcome;

/* "gantry.ctl.reconcile/1". A reconciler is a pure function of what it reads, the key and the time. The host executes the ops as
 * the plugin's own account, retries, backs off, and does not show a key again before its caches hold what was written for it. */
typedef struct gantry_ctl_reconcile_v1 {
  uint32_t size, flags;
  /* [any] Constant data. At least one watch. */
  const gantry_watch *(*watches)(gantry_instance *, uint64_t *n);
  /* [any] Keys for an event of watch `watch`. `old_object` is NULL for a new object (also for all there are at the start), `new_object`
   * for one that is gone. */
  int32_t (*map)(gantry_instance *, const gantry_call *, uint64_t watch, const gantry_object *old_object, const gantry_object *new_object,
                 const gantry_key **keys, uint64_t *n);
  /* [any] 1 to 64 different keys; the same key is never in two calls at once. out[n] is the host's, preset to OK without ops. */
  int32_t (*reconcile)(gantry_instance *, const gantry_call *, const gantry_work *work, uint64_t n, gantry_outcome *out,
                       const gantry_op **ops, uint64_t *n_ops);
} gantry_ctl_reconcile_v1;

/* --- service types --------------------------------------------------------------------------------------------------- */

/* A value from a pool of the host, committed with the object in one transaction. */
typedef struct gantry_claim {
  uint32_t size, flags;
  gantry_str pool;           /* "service-cluster-ips", "service-node-ports" */
  gantry_str want;           /* this value or none; empty: any that is free */
  const gantry_str *fields; uint64_t n_fields;   /* JSON pointers into the object where the value is written */
} gantry_claim;

typedef struct gantry_cause {
  uint32_t size, flags;
  gantry_str reason;         /* FieldValueInvalid, FieldValueRequired, ... */
  gantry_str field, message;
} gantry_cause;

/* "gantry.svc.type/1" */
typedef struct gantry_svc_type_v1 {
  uint32_t size, flags;
  /* [any] The value of spec.type (or spec.loadBalancerClass) that is meant. Constant data. */
  gantry_str (*type_name)(gantry_instance *);
  /* [any] OK without causes, or OK with them: the request is refused. `old_object` is empty on create. */
  int32_t (*validate)(gantry_instance *, const gantry_call *, gantry_str old_object, gantry_str new_object, const gantry_cause **causes,
                      uint64_t *n);
  /* [any] All claims of the object as it shall be; those of the old one that are not among them are released. */
  int32_t (*allocate)(gantry_instance *, const gantry_call *, gantry_str old_object, gantry_str new_object, const gantry_claim **claims,
                      uint64_t *n);
  /* [any] The object is gone; its claims fell with it. Idempotent. */
  int32_t (*release)(gantry_instance *, const gantry_call *, gantry_str object);
  /* [any] `slices`, `node_reports`: JSON lists. *status: the new status as JSON, empty: no change. */
  int32_t (*status)(gantry_instance *, const gantry_call *, gantry_str object, gantry_str slices, gantry_str node_reports, gantry_str *status);
  /* [any] `services` and `slices`: JSON lists of all that concern the node named. *rule_ir: rules, never commands. */
  int32_t (*plan)(gantry_instance *, const gantry_call *, gantry_str node, gantry_str services, gantry_str slices, gantry_str *rule_ir);
} gantry_svc_type_v1;

#ifdef __cplusplus
}
#endif
#endif
