#include "store/schema.h"
#include "core/map.h"
#include "core/vec.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* The table is parsed once, at first use; its arena lives as long as the process. */
static Arena *mem;
static Map *by_name;
static VEC(Type *) objects;

static Type *object_type(const char *name)
{
    Type *t = map_get(by_name, name);
    if (!t) {
        t = arena_new_of(mem, Type);
        t->shape = SHAPE_OBJECT;
        t->name = arena_strdup(mem, name);
        map_put(by_name, name, t);
        vec_push(&objects, t);
    }
    return t;
}

static const struct {
    const char *name;
    Shape shape;
} shapes[] = {
    {"s", SHAPE_STRING}, {"i", SHAPE_INT},           {"n", SHAPE_NONNEG},   {"p", SHAPE_PORT},
    {"l", SHAPE_LONG},   {"b", SHAPE_BOOL},          {"q", SHAPE_QUANTITY}, {"t", SHAPE_TIME},
    {"d", SHAPE_BYTES},  {"x", SHAPE_INT_OR_STRING}, {"any", SHAPE_ANY},
};

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n])) {
        n++;
    }
    return n;
}

static const char *const *parse_enums(const char **at)
{
    StrView rest = sv_n(*at + 1, strcspn(*at + 1, "}"));
    *at = rest.p + rest.n + 1;
    const char **list = arena_array(mem, const char *, 16);
    for (size_t n = 0; rest.p && n < 15; n++) {
        list[n] = sv_dup(mem, sv_cut(&rest, '|'));
    }
    return list;
}

static Type *parse_type(const char **at);

static void parse_list_keys(Type *t, const char **at)
{
    (*at)++;
    size_t n = 0;
    while (n < 2 && word_length(*at)) {
        size_t len = word_length(*at);
        t->keys[n++] = arena_strndup(mem, *at, len);
        *at += len;
        *at += **at == ',';
    }
    t->set = n == 0;
}

static Type *parse_plain(const char **at)
{
    size_t n = word_length(*at);
    const char *name = arena_strndup(mem, *at, n);
    *at += n;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (str_eq(shapes[i].name, name)) {
            Type *t = arena_new_of(mem, Type);
            t->shape = shapes[i].shape;
            if (**at == '{') {
                t->enums = parse_enums(at);
            }
            return t;
        }
    }
    return object_type(name);
}

static Type *parse_type(const char **at)
{
    Type *t;
    if (str_starts(*at, "[]")) {
        *at += 2;
        t = arena_new_of(mem, Type);
        t->shape = SHAPE_LIST;
        t->elem = parse_type(at);
        if (**at == '@') {
            parse_list_keys(t, at);
        }
        t->atomic = !t->set && !t->keys[0];
    } else if (str_starts(*at, "map(")) {
        *at += 4;
        t = arena_new_of(mem, Type);
        t->shape = SHAPE_MAP;
        t->elem = parse_type(at);
        *at += 1;
    } else {
        t = parse_plain(at);
    }
    if (**at == '~') { /* the same object may be atomic here and not elsewhere */
        t = arena_memdup(mem, t, sizeof *t);
        t->atomic = true;
        (*at)++;
    }
    return t;
}

static const char *parse_number(Field *f, const char *p)
{
    char *end;
    if (*p != '#') {
        return p;
    }
    f->pb = (int)strtol(p + 1, &end, 10);
    if (*end == '.') {
        f->pb_outer = f->pb;
        f->pb = (int)strtol(end + 1, &end, 10);
    }
    f->zero_counts = *end == '*';
    return end + f->zero_counts;
}

static void parse_fields(Type *t, const char *p)
{
    VEC(Field) fields = {0};
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        Field f = {0};
        size_t n = word_length(p);
        f.name = arena_strndup(mem, p, n);
        p += n;
        p = parse_number(&f, p);
        f.required = *p == '!';
        f.make = *p == '+';
        p += f.required || f.make;
        if (!n || *p != ':') {
            BUG("schema of %s is wrong at: %s", t->name, p);
        }
        p++;
        f.type = parse_type(&p);
        if (*p == '=') {
            size_t len = strcspn(++p, " ");
            f.def = arena_strndup(mem, p, len);
            p += len;
        }
        vec_push(&fields, f);
    }
    t->fields = arena_memdup(mem, fields.at, fields.n * sizeof *fields.at);
    t->field_count = fields.n;
    vec_done(&fields);
}

static void load(void)
{
    if (mem) {
        return;
    }
    mem = arena_new();
    by_name = map_new();
    for (const TypeRow *r = schema_rows; r->name; r++) {
        Type *t = object_type(r->name);
        const char *top = "";
        for (int i = 0; i < KIND_COUNT; i++) {
            top =
                str_eq(kinds[i].kind, r->name) ? "apiVersion:s kind:s metadata#1:ObjectMeta " : top;
        }
        parse_fields(t, arena_printf(mem, "%s%s", top, r->fields));
    }
    /* atomic copies were taken before the fields were known */
    for (size_t i = 0; i < objects.n; i++) {
        Type *t = objects.at[i];
        if (!t->fields) {
            BUG("schema names an unknown type %s", t->name);
        }
        for (size_t f = 0; f < t->field_count; f++) {
            Type *ft = (Type *)t->fields[f].type;
            if (ft->shape == SHAPE_OBJECT && !ft->fields) {
                const Type *full = map_get(by_name, ft->name);
                ft->fields = full->fields;
                ft->field_count = full->field_count;
            }
        }
    }
}

const Type *schema_type(const char *name)
{
    load();
    return map_get(by_name, name);
}

const Type *schema_of(const Kind *k)
{
    return schema_type(k->kind);
}

const Type *schema_at(size_t i)
{
    load();
    return i < objects.n ? objects.at[i] : NULL;
}

const Field *schema_field(const Type *t, const char *name)
{
    for (size_t i = 0; t && i < t->field_count; i++) {
        if (str_eq(t->fields[i].name, name)) {
            return &t->fields[i];
        }
    }
    return NULL;
}

const Type *schema_member(const Type *t, const char *name)
{
    if (t && t->shape == SHAPE_MAP) {
        return t->elem;
    }
    const Field *f = schema_field(t, name);
    return f ? f->type : NULL;
}

const char *schema_key_default(const Type *list, const char *key)
{
    const Field *f = schema_field(list->elem, key);
    return f ? f->def : NULL;
}

bool schema_same_key(const Type *list, const cJSON *a, const cJSON *b)
{
    for (size_t i = 0; list->keys[i]; i++) {
        const cJSON *x = js_get(a, list->keys[i]), *y = js_get(b, list->keys[i]);
        const char *def = schema_key_default(list, list->keys[i]);
        if ((!x || !y) && def) {
            const cJSON *there = x ? x : y;
            if (there && !str_eq(cJSON_GetStringValue(there), def)) {
                return false;
            }
        } else if (!js_equal(x, y)) {
            return false;
        }
    }
    return true;
}

/* ---- defaults ---- */

static cJSON *default_value(const Field *f)
{
    switch (f->type->shape) {
    case SHAPE_BOOL:
        return cJSON_CreateBool(str_eq(f->def, "true"));
    case SHAPE_INT:
    case SHAPE_NONNEG:
    case SHAPE_PORT:
    case SHAPE_LONG: {
        int64_t v = 0;
        (void)str_to_i64(f->def, &v);
        return cJSON_CreateNumber((double)v);
    }
    case SHAPE_STRING:
    case SHAPE_QUANTITY:
    case SHAPE_TIME:
    case SHAPE_INT_OR_STRING:
    case SHAPE_BYTES:
    case SHAPE_ANY:
    case SHAPE_MAP:
    case SHAPE_LIST:
    case SHAPE_OBJECT:
        break;
    }
    return cJSON_CreateString(f->def);
}

void schema_default(const Type *t, cJSON *o)
{
    cJSON *m;
    if (!t || t->shape == SHAPE_ANY) {
        return;
    }
    for (size_t i = 0; cJSON_IsObject(o) && i < t->field_count; i++) {
        const Field *f = &t->fields[i];
        if ((f->def || f->make) && !js_get(o, f->name)) {
            cJSON_AddItemToObject(o, f->name, f->make ? cJSON_CreateObject() : default_value(f));
        }
    }
    if (t->shape == SHAPE_OBJECT || t->shape == SHAPE_MAP) {
        js_each(m, o)
        {
            schema_default(schema_member(t, m->string), m);
        }
    } else if (t->shape == SHAPE_LIST) {
        js_each(m, o)
        {
            schema_default(t->elem, m);
        }
    }
}

/* ---- order ---- */

static int place_of(const Type *t, const cJSON *m)
{
    const Field *f = t && t->shape == SHAPE_OBJECT ? schema_field(t, m->string) : NULL;
    return f ? (int)(f - t->fields) : INT32_MAX;
}

typedef struct Placed {
    int place;
    cJSON *m;
} Placed;

static int by_place(const void *x, const void *y)
{
    const Placed *a = x, *b = y;
    return a->place != b->place ? (a->place > b->place) - (a->place < b->place)
                                : strcmp(a->m->string, b->m->string);
}

static void sort_members(const Type *t, cJSON *o)
{
    VEC(Placed) all = {0};
    for (cJSON *m = o->child; m; m = m->next) {
        vec_push(&all, ((Placed){place_of(t, m), m}));
    }
    if (all.n > 1) {
        qsort(all.at, all.n, sizeof *all.at, by_place);
        for (size_t i = 0; i < all.n; i++) {
            all.at[i].m->next = i + 1 < all.n ? all.at[i + 1].m : NULL;
            all.at[i].m->prev =
                all.at[i ? i - 1 : all.n - 1].m; /* cJSON: the first knows the last */
        }
        o->child = all.at[0].m;
    }
    vec_done(&all);
}

void schema_order(const Type *t, cJSON *o)
{
    bool list = t && t->shape == SHAPE_LIST;
    if (cJSON_IsObject(o)) {
        sort_members(t, o);
    }
    for (cJSON *m = o->child; m; m = m->next) {
        schema_order(list ? t->elem : cJSON_IsObject(o) ? schema_member(t, m->string) : NULL, m);
    }
}
