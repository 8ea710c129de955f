/* store/schema.h - the shape of our kinds: fields, types, defaults, merge keys. One text table
 * (schema_types.c) drives decoding, defaulting, validation, strategic merge, server-side apply and
 * the OpenAPI document.
 *
 * A type is a name and a list of fields "name[#NUMBER[*]][!|+]:TYPE[~][=default]":
 *   #3    its number in Kubernetes' protobuf; 1.4: field 4 of an embedded message 1; *: a pointer
 * in Go, so that a zero that is there counts !  required    +  made empty when absent    ~  atomic:
 * applied and owned as one s string  s{A|B} enum  i int32  n int32 >= 0  p port  l int64  b bool  q
 * quantity  t time x int or string  d base64  any  map(T)  []T  []T@key,key keyed list  []s@ set
 * Name object */
#pragma once
#include "store/js.h"
#include "store/kind.h"

typedef enum Shape {
    SHAPE_STRING,
    SHAPE_INT,
    SHAPE_NONNEG,
    SHAPE_PORT,
    SHAPE_LONG,
    SHAPE_BOOL,
    SHAPE_QUANTITY,
    SHAPE_TIME,
    SHAPE_INT_OR_STRING,
    SHAPE_BYTES,
    SHAPE_ANY,
    SHAPE_MAP,
    SHAPE_LIST,
    SHAPE_OBJECT,
} Shape;

typedef struct Type Type;
typedef struct Field {
    const char *name;
    const Type *type;
    bool required, make;
    const char *def;  /* NULL: none */
    int pb, pb_outer; /* protobuf number, 0: none; outer: the message it is embedded in, 0: none */
    bool zero_counts;
} Field;
struct Type {
    Shape shape;
    const char *name;         /* of an object: "PodSpec" */
    const char *const *enums; /* of a string; NULL: any; ends with NULL */
    bool atomic, set;
    const char *keys[3]; /* of a keyed list; ends with NULL */
    const Type *elem;    /* of a map or list */
    Field *fields;       /* of an object */
    size_t field_count;
};

typedef struct TypeRow {
    const char *name, *fields;
} TypeRow;
extern const TypeRow schema_rows[]; /* ends with a NULL name */

const Type *schema_of(const Kind *k);
const Type *schema_type(const char *name); /* NULL when there is none */
/* All object types, for the OpenAPI document: i from 0 until NULL. */
const Type *schema_at(size_t i);
const Field *schema_field(const Type *t, const char *name);
/* Type of a member of an object or map; NULL when unknown. */
const Type *schema_member(const Type *t, const char *name);
/* The members that identify an element of a keyed list are equal (absent ones count as their
 * default). */
bool schema_same_key(const Type *list, const cJSON *a, const cJSON *b);
/* Default of a key member of list elements, or NULL. */
const char *schema_key_default(const Type *list, const char *key);

/* In place: nulls and unknown fields are dropped (the names of the latter are added to `unknown`,
 * an array, unless NULL). MALFORMED for a value of a wrong type, in the words of Go's decoder. */
ErrCode schema_decode(const Kind *k, cJSON *obj, cJSON *unknown, Error *err) MUST_USE;
void schema_default(const Type *t, cJSON *obj);
/* Members in the order of the table, of maps by name: equal objects print equally. */
void schema_order(const Type *t, cJSON *obj);
/* An object in Kubernetes' protobuf envelope ("k8s\0", runtime.Unknown) to the tree that its JSON
 * would give. MALFORMED for broken bytes, and for fields that we do not know: nothing is dropped.
 */
ErrCode schema_from_protobuf(StrView bytes, cJSON **ret, Error *err) MUST_USE;

/* ---- collecting what is wrong: Status causes ---- */
typedef struct Causes {
    cJSON *list; /* [{reason, message, field}] */
} Causes;
typedef enum CauseKind {
    CAUSE_REQUIRED,
    CAUSE_INVALID,
    CAUSE_UNSUPPORTED,
    CAUSE_FORBIDDEN,
    CAUSE_DUPLICATE,
    CAUSE_NOT_FOUND,
    CAUSE_TOO_LONG,
} CauseKind;
/* value: shown behind "Invalid value: "; NULL for REQUIRED and FORBIDDEN. */
void cause_add(Causes *c, CauseKind kind, const char *field, const cJSON *value, const char *fmt,
               ...) PRINTF_LIKE(5, 6);
/* Required fields, enums, ranges; `path` is "" at the top. */
void schema_validate(const Type *t, const cJSON *obj, const char *path, Causes *c);
