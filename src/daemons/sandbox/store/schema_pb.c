#include "core/arena.h"
#include "core/clock.h"
#include "core/ident.h"
#include "store/schema.h"
#include <stdlib.h>

/* kubectl since 1.32 and many Go programs send built-in kinds in protobuf. */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, PB_DEPTH = 48 };

typedef struct Reader {
    const unsigned char *p, *end;
} Reader;

typedef struct Item {
    int number, wire;
    uint64_t v; /* of a varint */
    Reader sub; /* of bytes */
} Item;

static bool read_varint(Reader *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        unsigned char c = *r->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool read_item(Reader *r, Item *ret)
{
    uint64_t tag, n;
    *ret = (Item){0};
    if (!read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > 100000) {
        return false;
    }
    ret->number = (int)(tag >> 3);
    ret->wire = (int)(tag & 7);
    if (ret->wire == WIRE_VARINT) {
        return read_varint(r, &ret->v);
    }
    if (ret->wire != WIRE_BYTES || !read_varint(r, &n) || n > (uint64_t)(r->end - r->p)) {
        return false;
    }
    ret->sub = (Reader){r->p, r->p + n};
    r->p += n;
    return true;
}

static cJSON *text_value(Reader r)
{
    if (!utf8_valid(r.p, (size_t)(r.end - r.p))) {
        return NULL;
    }
    char *copy = xstrndup((const char *)r.p, (size_t)(r.end - r.p));
    cJSON *v = cJSON_CreateString(copy);
    free(copy);
    return v;
}

static cJSON *bytes_value(Reader r)
{
    AUTO_ARENA a = arena_new();
    return cJSON_CreateString(base64_encode(a, r.p, (size_t)(r.end - r.p)));
}

static cJSON *time_value(Reader r)
{
    Item it;
    int64_t us = 0;
    while (r.p < r.end) {
        if (!read_item(&r, &it) || it.wire != WIRE_VARINT) {
            return NULL;
        }
        us += it.number == 1 ? (int64_t)it.v * 1000000 : (int64_t)it.v / 1000;
    }
    char text[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(text, us);
    return cJSON_CreateString(text);
}

/* {type = 1: 0 number, 1 text; intVal = 2; strVal = 3} */
static cJSON *int_or_string(Reader r)
{
    Item it;
    uint64_t type = 0;
    int64_t number = 0;
    Reader text = {0};
    while (r.p < r.end) {
        if (!read_item(&r, &it)) {
            return NULL;
        }
        type = it.number == 1 ? it.v : type;
        number = it.number == 2 ? (int64_t)it.v : number;
        text = it.number == 3 ? it.sub : text;
    }
    return type ? text_value(text) : cJSON_CreateNumber((double)(int32_t)number);
}

static cJSON *quantity(Reader r)
{
    Item it;
    return read_item(&r, &it) && it.number == 1 && it.wire == WIRE_BYTES ? text_value(it.sub)
                                                                         : NULL;
}

static bool decode_object(const Type *t, Reader r, cJSON *into, int outer, int depth, Error *err);

/* NULL: broken, or not what the type says. */
static cJSON *value_of(const Type *t, const Item *it, int depth, Error *err)
{
    bool varint = it->wire == WIRE_VARINT;
    switch (t->shape) {
    case SHAPE_INT:
    case SHAPE_NONNEG:
    case SHAPE_PORT:
    case SHAPE_LONG:
        return varint ? cJSON_CreateNumber((double)(int64_t)it->v) : NULL;
    case SHAPE_BOOL:
        return varint ? cJSON_CreateBool(it->v != 0) : NULL;
    case SHAPE_STRING:
        return varint ? NULL : text_value(it->sub);
    case SHAPE_BYTES:
        return varint ? NULL : bytes_value(it->sub);
    case SHAPE_QUANTITY:
        return varint ? NULL : quantity(it->sub);
    case SHAPE_TIME:
        return varint ? NULL : time_value(it->sub);
    case SHAPE_INT_OR_STRING:
        return varint ? NULL : int_or_string(it->sub);
    case SHAPE_OBJECT: {
        cJSON *o = cJSON_CreateObject();
        if (varint || !decode_object(t, it->sub, o, 0, depth + 1, err)) {
            cJSON_Delete(o);
            return NULL;
        }
        return o;
    }
    case SHAPE_ANY:
    case SHAPE_MAP:
    case SHAPE_LIST:
        break;
    }
    return NULL;
}

static bool add_map_entry(const Type *t, Reader r, cJSON *map, int depth, Error *err)
{
    Item it;
    cJSON *key = NULL, *v = NULL;
    while (r.p < r.end) {
        if (!read_item(&r, &it) || it.number > 2) {
            break;
        }
        cJSON **to = it.number == 1 ? &key : &v;
        cJSON_Delete(*to);
        *to = it.number == 1 ? (it.wire == WIRE_BYTES ? text_value(it.sub) : NULL)
                             : value_of(t->elem, &it, depth, err);
    }
    bool ok = key && r.p == r.end && (v || t->elem->shape == SHAPE_STRING);
    if (ok) {
        cJSON_DeleteItemFromObjectCaseSensitive(map, key->valuestring);
        cJSON_AddItemToObject(map, key->valuestring, v ? v : cJSON_CreateString(""));
    } else {
        cJSON_Delete(v);
    }
    cJSON_Delete(key);
    return ok;
}

/* What Go's "omitempty" leaves out of the JSON. */
static bool is_empty(const Field *f, const cJSON *v)
{
    return !f->zero_counts &&
           ((cJSON_IsString(v) && !*v->valuestring) || cJSON_IsFalse(v) ||
            (cJSON_IsNumber(v) && v->valuedouble == 0 && f->type->shape != SHAPE_INT_OR_STRING));
}

static bool add_field(const Field *f, const Item *it, cJSON *into, int depth, Error *err)
{
    const Type *t = f->type;
    bool nothing = it->wire == WIRE_BYTES && it->sub.p == it->sub.end;
    if (t->shape == SHAPE_MAP) {
        return it->wire == WIRE_BYTES &&
               add_map_entry(t, it->sub, js_obj(into, f->name), depth, err);
    }
    if (nothing && (t->shape == SHAPE_TIME || t->shape == SHAPE_ANY)) {
        return true; /* Go's zero time; a struct with nothing in it */
    }
    cJSON *v = value_of(t->shape == SHAPE_LIST ? t->elem : t, it, depth, err);
    if (!v) {
        return false;
    }
    if (t->shape == SHAPE_LIST) {
        cJSON_AddItemToArray(js_arr(into, f->name), v);
    } else if (is_empty(f, v)) {
        cJSON_Delete(v);
    } else {
        cJSON_DeleteItemFromObjectCaseSensitive(into, f->name);
        cJSON_AddItemToObject(into, f->name, v);
    }
    return true;
}

static const Field *field_numbered(const Type *t, int number, int outer)
{
    for (size_t i = 0; i < t->field_count; i++) {
        if (t->fields[i].pb == number && t->fields[i].pb_outer == outer) {
            return &t->fields[i];
        }
    }
    return NULL;
}

static bool is_embedded(const Type *t, int number)
{
    for (size_t i = 0; i < t->field_count; i++) {
        if (t->fields[i].pb_outer == number) {
            return true;
        }
    }
    return false;
}

/* outer: the number of the embedded message that r is, 0: the object itself. */
static bool decode_object(const Type *t, Reader r, cJSON *into, int outer, int depth, Error *err)
{
    Item it;
    while (r.p < r.end && depth < PB_DEPTH) {
        if (!read_item(&r, &it)) {
            return false;
        }
        const Field *f = field_numbered(t, it.number, outer);
        if (!f && !outer && it.wire == WIRE_BYTES && is_embedded(t, it.number)) {
            if (!decode_object(t, it.sub, into, it.number, depth, err)) {
                return false;
            }
            continue;
        }
        bool zero = it.wire == WIRE_VARINT ? it.v == 0 : it.sub.p == it.sub.end;
        if (!f && !zero) { /* an empty one says nothing; others must not get lost */
            err_set(err, ERR_MALFORMED,
                    "the protobuf body has a field %d of %s that is not known here: send JSON",
                    it.number, t->name);
            return false;
        }
        if (f && !add_field(f, &it, into, depth, err)) {
            return false;
        }
    }
    return r.p == r.end;
}

ErrCode schema_from_protobuf(StrView bytes, cJSON **ret, Error *err)
{
    Error inner = {0};
    cJSON *o = cJSON_CreateObject();
    Item it;
    Reader r = {(const unsigned char *)bytes.p + 4, (const unsigned char *)bytes.p + bytes.n};
    Reader raw = {0}, meta = {0};
    bool ok = bytes.n >= 4 && memcmp(bytes.p, "k8s\0", 4) == 0;
    while (ok && r.p < r.end) { /* runtime.Unknown {typeMeta = 1 {apiVersion, kind}, raw = 2} */
        ok = read_item(&r, &it);
        meta = ok && it.number == 1 ? it.sub : meta;
        raw = ok && it.number == 2 ? it.sub : raw;
    }
    while (ok && meta.p < meta.end) {
        ok = read_item(&meta, &it) && it.wire == WIRE_BYTES;
        cJSON *v = ok ? text_value(it.sub) : NULL;
        ok = v != NULL;
        if (ok) {
            js_set(o, it.number == 1 ? "apiVersion" : "kind", v);
        }
    }
    const Type *t = ok ? schema_type(js_text(o, "kind")) : NULL;
    ok = t && t->shape == SHAPE_OBJECT && decode_object(t, raw, o, 0, 0, &inner);
    if (!ok) {
        cJSON_Delete(o);
        return err_set(err, ERR_MALFORMED, "%s",
                       inner.code ? inner.msg : "the protobuf body is not an object we know");
    }
    *ret = o;
    return ERR_OK;
}
