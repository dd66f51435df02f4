/* A minimal plugin in C whose misbehaviour is chosen when it is compiled. */
#include <gantry/plugin.h>

#define STR(text) { (const uint8_t *)(text), sizeof(text) - 1 }
#ifndef ABI_JSON
#define ABI_JSON "[1,0]"
#endif
#ifndef MANIFEST_VERSION
#define MANIFEST_VERSION "1.0.0"
#endif
#ifndef COLUMNS
#define COLUMNS ""
#endif
#ifndef SCHEMA
#define SCHEMA "{}"
#endif
#ifndef MAJOR
#define MAJOR GANTRY_ABI_MAJOR
#endif
#ifndef MAGIC
#define MAGIC GANTRY_MAGIC
#endif

#define MANIFEST                                                                                                            \
  "{\"abi\":" ABI_JSON ",\"plugins\":[{\"id\":\"test/c\",\"version\":\"" MANIFEST_VERSION                                    \
  "\",\"interfaces\":[\"gantry.svc.type/1\"],\"columns\":[" COLUMNS "],\"configSchema\":" SCHEMA "}]}"

#ifndef NO_MANIFEST
__attribute__((used, section(".gantry.manifest"))) static const char manifest[sizeof(MANIFEST) - 1] = MANIFEST;
#endif

#ifdef CONSTRUCTOR
#include <stdlib.h>
/* Shows whether a refused module ran. */
__attribute__((constructor)) static void ran(void) { setenv(CONSTRUCTOR, "1", 1); }
#endif

static gantry_str type_name(gantry_instance *instance) {
  (void)instance;
  return (gantry_str)STR("C");
}

/* What comes back is chosen by the first byte of the object. */
static int32_t validate(gantry_instance *instance, const gantry_call *call, gantry_str old_object, gantry_str new_object,
                        const gantry_cause **causes, uint64_t *n) {
  (void)instance, (void)old_object;
  gantry_cause *cause = call->arena->alloc(call->arena, sizeof *cause, 8);
  if (!cause) return GANTRY_ERROR;
  *cause = (gantry_cause){ sizeof *cause, 0, STR("R"), STR("f"), STR("m") };
  *causes = cause;
  *n = 1;
  switch (new_object.n ? new_object.p[0] : 0) {
  case 'l': *n = UINT64_MAX; break;                                     /* length */
  case 'n': *causes = 0; break;                                         /* null */
  case 's': cause->size = 3; break;                                     /* size of an element */
  case 'u': cause->message = (gantry_str)STR("\xff\xfe"); break;        /* not UTF-8 */
  case 'm': cause->message.n = UINT64_C(1) << 62; break;                /* text without end */
  case 'c': return 77;                                                  /* unknown code */
  case 'p': return GANTRY_E_POISONED;
  default: break;
  }
  return GANTRY_OK;
}

static const gantry_svc_type_v1 table = { sizeof table, 0, type_name, validate, 0, 0, 0, 0 };

static const void *query(gantry_instance *instance, gantry_str id) {
  (void)instance;
  return id.n == sizeof("gantry.svc.type/1") - 1 ? &table : 0;
}

static void destroy(gantry_instance *instance) { (void)instance; }

static gantry_instance only = { sizeof only, 0, 0, query, destroy };

static int32_t create(const gantry_host *host, const gantry_call *call, gantry_str id, gantry_str config, gantry_instance **out) {
  (void)host, (void)call, (void)id, (void)config;
  *out = &only;
  return GANTRY_OK;
}

static const gantry_str interfaces[] = { STR("gantry.svc.type/1") };

static const gantry_desc *describe(uint32_t index) {
  static gantry_desc desc = { sizeof desc, 0, STR("test/c"), STR("1.0.0"), STR(SCHEMA), interfaces, 1, 0, 0 };
  return index == 0 ? &desc : 0;
}

#ifndef NO_ENTRY
const gantry_entry gantry_plugin_entry = { MAGIC, MAJOR, 0, sizeof(gantry_entry), 0, describe, create, STR(MANIFEST) };
#else
const void *unused[] = { describe, create };
#endif
