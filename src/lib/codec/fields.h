/* codec/fields.h - field tables: one table per JSON object gives decode, encode, OpenAPI, `explain`
 * and forms.
 *
 * A table maps JSON members to members of a C struct by typed offsets (a wrong C type does not
 * compile). Decoding works in an arena and reports every error at once with its path; unknown keys
 * are errors with a did-you-mean. Absent members get the default of the table, or zero. */
#pragma once
#include "codec/json.h"
#include "codec/json_out.h"
#include "core/strmap.h"

typedef enum FieldKind {
    FK_STR,     /* const char * */
    FK_BOOL,    /* bool */
    FK_U32,     /* uint32_t */
    FK_I64,     /* int64_t as a JSON number */
    FK_I64_STR, /* int64_t as a JSON string of digits */
    FK_F64,     /* double */
    FK_TIME,    /* int64_t microseconds since 1970 as RFC 3339; 0 is null */
    FK_STRS,    /* StrList */
    FK_MAP,     /* StrMap */
    FK_OBJ,     /* nested struct, in place */
    FK_OBJ_PTR, /* pointer to a nested struct; NULL when absent */
    FK_OBJS,    /* ObjList of nested structs */
    FK_JSON,    /* const char *: any JSON value as text */
    FK_KIND_COUNT
} FieldKind;

enum {
    FF_REQUIRED = 1,  /* absent, null or "" is an error */
    FF_READONLY = 2,  /* output only; in input it is ignored */
    FF_OMIT = 4,      /* left out of output when empty or zero */
    FF_WRITEONLY = 8, /* input only: passwords, commit messages */
    FF_SCALARS = 16,  /* numbers and true/false are taken as their text (strings, maps, lists) */
};

/* Items of an array of objects: n structs of the table's size. */
typedef struct ObjList {
    void *at;
    size_t n;
} ObjList;

/* True when fine; else *ret_want (static or in the arena) says what would be right. */
typedef bool (*FieldCheck)(Arena *a, const char *value, const char **ret_want);

typedef struct Schema Schema;
typedef struct FieldErrors FieldErrors;

typedef struct FieldSpec {
    const char *name;
    FieldKind kind;
    size_t offset;
    unsigned flags;
    int64_t min, max;           /* number: value; text: bytes; list, map: items. Both 0: no limit */
    const char *const *choices; /* NULL-terminated, for text */
    FieldCheck check;           /* each text: the value, the list items, the map values */
    FieldCheck check_key;       /* keys of a map */
    const Schema *of;           /* of a nested object */
    const char *def;            /* default as text; NULL: zero */
    const char *help;           /* one sentence for a DBA */
    const char *example;
} FieldSpec;

struct Schema {
    const char *name; /* "PROFILE_INPUT" */
    const char *help;
    size_t size;
    const FieldSpec *fields;
    size_t n;
    /* Rules over more than one field; called at the end of fields_decode of this table itself. */
    void (*validate)(Arena *a, const void *obj, FieldErrors *errs);
};

/* FIELD(Profile, replicas, FK_U32, .min = 1, .max = 15, .help = "...") */
#define FIELD(T, member, KIND, ...) FIELD_AS(T, #member, member, KIND, __VA_ARGS__)
#define FIELD_AS(T, json_name, member, KIND, ...)                                       \
    {                                                                                   \
        .name = json_name, .kind = KIND,                                                \
        .offset = offsetof(T, member) + FIELD_TYPE_CHECK_##KIND(T, member), __VA_ARGS__ \
    }
#define FIELD_IS(T, m, C) \
    (0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->m), C) ? 1 : -1]))
#define FIELD_TYPE_CHECK_FK_STR(T, m) FIELD_IS(T, m, const char *)
#define FIELD_TYPE_CHECK_FK_BOOL(T, m) FIELD_IS(T, m, bool)
#define FIELD_TYPE_CHECK_FK_U32(T, m) FIELD_IS(T, m, uint32_t)
#define FIELD_TYPE_CHECK_FK_I64(T, m) FIELD_IS(T, m, int64_t)
#define FIELD_TYPE_CHECK_FK_I64_STR(T, m) FIELD_IS(T, m, int64_t)
#define FIELD_TYPE_CHECK_FK_F64(T, m) FIELD_IS(T, m, double)
#define FIELD_TYPE_CHECK_FK_TIME(T, m) FIELD_IS(T, m, int64_t)
#define FIELD_TYPE_CHECK_FK_STRS(T, m) FIELD_IS(T, m, StrList)
#define FIELD_TYPE_CHECK_FK_MAP(T, m) FIELD_IS(T, m, StrMap)
#define FIELD_TYPE_CHECK_FK_OBJ(T, m) 0
#define FIELD_TYPE_CHECK_FK_OBJ_PTR(T, m) 0
#define FIELD_TYPE_CHECK_FK_OBJS(T, m) FIELD_IS(T, m, ObjList)
#define FIELD_TYPE_CHECK_FK_JSON(T, m) FIELD_IS(T, m, const char *)

#define SCHEMA_DEF(sym, json_name, T, table, text) \
    const Schema sym = {.name = json_name,         \
                        .help = text,              \
                        .size = sizeof(T),         \
                        .fields = table,           \
                        .n = sizeof(table) / sizeof(table[0])}

/* ---- errors, all of one input together ---- */
typedef struct FieldError {
    const char *field, *value, *want;
} FieldError;
struct FieldErrors {
    Arena *arena;
    FieldError *at;
    size_t n, cap;
};
enum { FIELD_ERRORS_MAX = 100 }; /* beyond: counted in no way, dropped */

static inline FieldErrors field_errors(Arena *a)
{
    return (FieldErrors){.arena = a};
}
/* Path and value are copied; what is long is cut. value NULL: absent. */
void field_error(FieldErrors *e, const char *path, const char *value, const char *want, ...)
    PRINTF_LIKE(4, 5);
/* ERR_OK when there are none; else ERR_INVALID with the first ones in the text. */
ErrCode field_errors_result(const FieldErrors *e, Error *err);
/* [{"field":"replicas","value":"0","want":"1 to 15"}, ...] */
void field_errors_json(const FieldErrors *e, JsonOut *j);

/* ---- JSON to struct and back ---- */
/* `out` is zeroed, then filled; every error goes to `errs` under `prefix` ("" at the top). The
 * struct is usable for further checks even when there were errors. */
void fields_decode(Arena *a, const Schema *s, const cJSON *in, void *out, const char *prefix,
                   FieldErrors *errs);
/* Parse and decode; field errors are in *errs (may be NULL) and make ERR_INVALID. */
ErrCode fields_decode_text(Arena *a, const Schema *s, StrView text, void *out, FieldErrors *errs,
                           Error *err) MUST_USE;
/* Fill the defaults of the table only. */
void fields_defaults(Arena *a, const Schema *s, void *out);
void fields_encode(JsonOut *j, const Schema *s, const void *obj);
/* Members only, without the braces: to add some of one's own. */
void fields_encode_members(JsonOut *j, const Schema *s, const void *obj);
char *fields_to_text(Arena *a, const Schema *s, const void *obj, unsigned indent);

/* "storage.size" -> its row; NULL when there is none. */
const FieldSpec *fields_find(const Schema *s, const char *path);
/* JSON Schema (OpenAPI 3.0 dialect) of one table; nested ones become $ref to
 * #/components/schemas/NAME. */
void fields_openapi(JsonOut *j, const Schema *s);
const char *field_kind_name(FieldKind k); /* "string", "integer", "map of strings", ... */
