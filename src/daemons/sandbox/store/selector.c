#include "store/selector.h"
#include <ctype.h>

typedef enum Op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT } Op;
typedef struct Need {
    const char *key;
    Op op;
    const char *const *values;
    size_t n;
    struct Need *next;
} Need;
struct Selector {
    Need *first;
    bool nothing; /* matches nothing, whatever the labels */
};

static bool has_value(const Need *r, const char *v)
{
    for (size_t i = 0; i < r->n; i++) {
        if (str_eq(r->values[i], v)) {
            return true;
        }
    }
    return false;
}

static bool need_met(const Need *r, const char *v)
{
    switch (r->op) {
    case OP_IN:
        return v && has_value(r, v);
    case OP_NOT_IN:
        return !v || !has_value(r, v);
    case OP_EXISTS:
        return v != NULL;
    case OP_ABSENT:
        return v == NULL;
    }
    return false;
}

bool selector_matches(const Selector *s, const cJSON *labels)
{
    if (!s) {
        return true;
    }
    if (s->nothing) {
        return false;
    }
    for (const Need *r = s->first; r; r = r->next) {
        if (!need_met(r, cJSON_GetStringValue(js_get(labels, r->key)))) {
            return false;
        }
    }
    return true;
}

static void add(Arena *a, Selector *s, Need need)
{
    Need *r = arena_new_of(a, Need);
    *r = need;
    r->next = s->first;
    s->first = r;
}

/* A label key: [prefix/]name. A value: name or empty. */
static bool qualified(const char *t, bool value)
{
    const char *slash = value ? NULL : strrchr(t, '/');
    const char *name = slash ? slash + 1 : t;
    size_t n = strlen(name);
    if (n == 0) {
        return value;
    }
    bool ok = n <= 63 && isalnum((unsigned char)name[0]) && isalnum((unsigned char)name[n - 1]);
    for (const char *p = name; *p; p++) {
        ok = ok && (isalnum((unsigned char)*p) || strchr("-_.", *p));
    }
    return ok && (!slash || (slash > t && slash - t <= 253));
}

/* Cut at commas that stand outside of parentheses. */
static StrView next_term(StrView *rest)
{
    int depth = 0;
    for (size_t i = 0; i < rest->n; i++) {
        depth += (rest->p[i] == '(') - (rest->p[i] == ')');
        if (rest->p[i] == ',' && depth <= 0) {
            StrView t = {rest->p, i};
            *rest = (StrView){rest->p + i + 1, rest->n - i - 1};
            return sv_trim(t);
        }
    }
    StrView t = *rest;
    *rest = (StrView){0};
    return sv_trim(t);
}

static const char *const *one_value(Arena *a, StrView v)
{
    const char **list = arena_array(a, const char *, 1);
    list[0] = sv_dup(a, v);
    return list;
}

static bool set_term(Arena *a, StrView t, Need *ret)
{
    size_t key = 0;
    while (key < t.n && !isspace((unsigned char)t.p[key]) && t.p[key] != '(') {
        key++;
    }
    StrView rest = sv_trim(sv_n(t.p + key, t.n - key));
    ret->op = sv_starts(rest, "notin") ? OP_NOT_IN : OP_IN;
    size_t word = ret->op == OP_NOT_IN ? 5 : 2;
    if (!sv_starts(rest, ret->op == OP_NOT_IN ? "notin" : "in")) {
        return false;
    }
    rest = sv_trim(sv_n(rest.p + word, rest.n - word));
    if (rest.n < 2 || rest.p[0] != '(' || rest.p[rest.n - 1] != ')') {
        return false;
    }
    rest = sv_n(rest.p + 1, rest.n - 2);
    const char **values = arena_array(a, const char *, rest.n + 1);
    while (rest.p) {
        values[ret->n++] = sv_dup(a, sv_trim(sv_cut(&rest, ',')));
    }
    ret->key = sv_dup(a, sv_n(t.p, key));
    ret->values = values;
    return true;
}

static bool parse_term(Arena *a, StrView t, Need *ret)
{
    const char *eq = memchr(t.p, '=', t.n);
    if (memchr(t.p, '(', t.n)) {
        return set_term(a, t, ret);
    }
    if (!eq) {
        bool absent = t.p[0] == '!';
        ret->op = absent ? OP_ABSENT : OP_EXISTS;
        ret->key = sv_dup(a, sv_trim(sv_n(t.p + absent, t.n - absent)));
        return true;
    }
    size_t key = (size_t)(eq - t.p), value = key + 1;
    ret->op = OP_IN;
    if (key > 0 && t.p[key - 1] == '!') {
        ret->op = OP_NOT_IN;
        key--;
    } else if (value < t.n && t.p[value] == '=') {
        value++;
    }
    ret->key = sv_dup(a, sv_trim(sv_n(t.p, key)));
    ret->values = one_value(a, sv_trim(sv_n(t.p + value, t.n - value)));
    ret->n = 1;
    return true;
}

ErrCode selector_parse(Arena *a, const char *text, const Selector **ret, Error *err)
{
    Selector *s = arena_new_of(a, Selector);
    StrView rest = sv_trim(sv(text));
    while (rest.n) {
        StrView t = next_term(&rest);
        Need r = {0};
        if (!t.n || !parse_term(a, t, &r) || !qualified(r.key, false)) {
            return err_set(err, ERR_MALFORMED, "unable to parse requirement: invalid selector %s",
                           text);
        }
        for (size_t i = 0; i < r.n; i++) {
            if (!qualified(r.values[i], true)) {
                return err_set(err, ERR_MALFORMED,
                               "unable to parse requirement: values[%zu][%s]: Invalid value: "
                               "\"%s\": a valid label must be an empty string or consist of "
                               "alphanumeric characters, '-', '_' or '.'",
                               i, r.key, r.values[i]);
            }
        }
        add(a, s, r);
    }
    *ret = s;
    return ERR_OK;
}

const Selector *selector_from_map(Arena *a, const cJSON *map)
{
    Selector *s = arena_new_of(a, Selector);
    s->nothing = !cJSON_IsObject(map) || !map->child;
    const cJSON *m;
    if (!s->nothing) {
        js_each(m, map)
        {
            add(a, s,
                (Need){.key = arena_strdup(a, m->string),
                       .op = OP_IN,
                       .values = one_value(a, sv(str_or(cJSON_GetStringValue(m), ""))),
                       .n = 1});
        }
    }
    return s;
}

ErrCode selector_from_object(Arena *a, const cJSON *o, const Selector **ret, Error *err)
{
    static const char *const ops[] = {[OP_IN] = "In",
                                      [OP_NOT_IN] = "NotIn",
                                      [OP_EXISTS] = "Exists",
                                      [OP_ABSENT] = "DoesNotExist"};
    Selector *s = (Selector *)selector_from_map(a, js_get(o, "matchLabels"));
    s->nothing = !cJSON_IsObject(o);
    const cJSON *x;
    js_each(x, js_get(o, "matchExpressions"))
    {
        const cJSON *values = js_get(x, "values");
        int n = cJSON_GetArraySize(values);
        const char **list = arena_array(a, const char *, (size_t)n + 1);
        for (int i = 0; i < n; i++) {
            list[i] =
                arena_strdup(a, str_or(cJSON_GetStringValue(cJSON_GetArrayItem(values, i)), ""));
        }
        Need r = {.key = arena_strdup(a, js_text(x, "key")), .values = list, .n = (size_t)n};
        const char *op = js_text(x, "operator");
        while (r.op <= OP_ABSENT && !str_eq(ops[r.op], op)) {
            r.op++;
        }
        if (r.op > OP_ABSENT || !*r.key) {
            return err_set(err, ERR_INVALID, "\"%s\" is not a valid label selector operator", op);
        }
        add(a, s, r);
    }
    *ret = s;
    return ERR_OK;
}

/* What may stand in a field selector, beside metadata.name and metadata.namespace. */
static const char *const fields_of[KIND_COUNT][10] = {
    [KIND_POD] = {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
                  "spec.serviceAccountName", "status.phase", "status.podIP",
                  "status.nominatedNodeName"},
    [KIND_EVENT] = {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
                    "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.fieldPath",
                    "reason", "source", "type"},
    [KIND_SECRET] = {"type"},
    [KIND_SERVICE] = {"spec.clusterIP", "spec.type"},
    [KIND_NAMESPACE] = {"status.phase"},
    [KIND_NODE] = {"spec.unschedulable"},
    [KIND_REPLICASET] = {"status.replicas"},
    [KIND_JOB] = {"status.successful"},
};

static bool field_known(const Kind *k, const char *f)
{
    if (str_eq(f, "metadata.name") || (kind_namespaced(k) && str_eq(f, "metadata.namespace"))) {
        return true;
    }
    for (int i = 0; i < 10; i++) {
        if (str_eq(fields_of[kind_id(k)][i], f)) {
            return true;
        }
    }
    return false;
}

ErrCode field_selector_parse(Arena *a, const Kind *k, const char *text, const Selector **ret,
                             Error *err)
{
    Selector *s = arena_new_of(a, Selector);
    StrView rest = sv_trim(sv(text));
    while (rest.n) {
        StrView t = next_term(&rest);
        Need r = {0};
        if (!t.n || !memchr(t.p, '=', t.n) || !parse_term(a, t, &r) || !r.n) {
            return err_set(err, ERR_MALFORMED, "invalid field selector %s", text);
        }
        if (!field_known(k, r.key)) {
            return fields_of[kind_id(k)][0]
                       ? err_set(err, ERR_MALFORMED, "field label not supported: %s", r.key)
                       : err_set(err, ERR_MALFORMED,
                                 "\"%s\" is not a known field selector: only "
                                 "\"metadata.name\", \"metadata.namespace\"",
                                 r.key);
        }
        add(a, s, r);
    }
    *ret = s;
    return ERR_OK;
}

const char *field_selector_name(Arena *a, const char *text)
{
    StrView rest = sv_trim(sv(text));
    while (rest.n) {
        Need r = {0};
        if (parse_term(a, next_term(&rest), &r) && r.op == OP_IN && r.n == 1 &&
            str_eq(r.key, "metadata.name")) {
            return r.values[0];
        }
    }
    return NULL;
}

bool field_selector_matches(const Selector *s, const cJSON *obj)
{
    for (const Need *r = s ? s->first : NULL; r; r = r->next) {
        const char *path = str_eq(r->key, "source") ? "source.component" : r->key;
        if (!need_met(r, js_text(obj, path))) {
            return false;
        }
    }
    return true;
}
