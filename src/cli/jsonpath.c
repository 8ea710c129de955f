#include "out.h"

#include <ctype.h>
#include <stdlib.h>

enum { NODES_MAX = 100000, TMPL_MAX = 4096 };

typedef struct Nodes {
    const cJSON **at;
    size_t n, cap;
} Nodes;

static void push(Nodes *v, const cJSON *item)
{
    if (v->n == v->cap && v->n < NODES_MAX) {
        v->cap = v->cap ? v->cap * 2 : 16;
        v->at = xrealloc(v->at, v->cap * sizeof *v->at);
    }
    if (v->n < v->cap)
        v->at[v->n++] = item;
}

static void print_node(const cJSON *n, StrBuf *out)
{
    if (cJSON_IsString(n)) {
        strbuf_adds(out, n->valuestring);
        return;
    }
    char *text = cJSON_PrintUnformatted(n);
    strbuf_adds(out, text ? text : "");
    cJSON_free(text);
}

/* ---- steps of a path: .name  ['name']  [3]  [*]  ..name  [?(@.path op value)] ---- */

static void children(const cJSON *n, Nodes *out)
{
    const cJSON *kid;
    if (cJSON_IsObject(n) || cJSON_IsArray(n))
        cJSON_ArrayForEach(kid, n) push(out, kid);
}

static void named(const Nodes *in, const char *name, Nodes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (str_eq(name, "*")) {
            children(in->at[i], out);
            continue;
        }
        const cJSON *kid = cJSON_GetObjectItemCaseSensitive(in->at[i], name);
        if (kid)
            push(out, kid);
    }
}

static void descend(const cJSON *n, const char *name, Nodes *out)
{
    const cJSON *kid;
    if (!cJSON_IsObject(n) && !cJSON_IsArray(n))
        return;
    cJSON_ArrayForEach(kid, n)
    {
        if (kid->string && str_eq(kid->string, name))
            push(out, kid);
        descend(kid, name, out);
    }
}

static const cJSON *first_of(const cJSON *root, const char *path);

static bool compare(const cJSON *n, const char *op, const char *value)
{
    if (!n)
        return false;
    if (cJSON_IsNumber(n)) {
        double v = strtod(value, NULL), x = n->valuedouble;
        return str_eq(op, "==")   ? x == v
               : str_eq(op, "!=") ? x != v
               : str_eq(op, ">")  ? x > v
                                  : x < v;
    }
    AUTO_STRBUF text = {0};
    print_node(n, &text);
    bool same = str_eq(strbuf_str(&text), value);
    return str_eq(op, "!=") ? !same : str_eq(op, "==") && same;
}

/* "@.path op value" on each child of each node. */
static bool filter(const Nodes *in, char *expr, Nodes *out)
{
    static const char *const OPS[] = {"==", "!=", ">", "<"};
    char *at = NULL;
    const char *op = NULL;
    for (size_t i = 0; i < 4 && !at; i++)
        if ((at = strstr(expr, OPS[i])))
            op = OPS[i];
    if (!at || !str_starts(expr, "@."))
        return false;
    StrView path = sv_trim(sv_n(expr + 2, (size_t)(at - expr - 2)));
    StrView value = sv_trim(sv(at + strlen(op)));
    if (value.n >= 2 && (value.p[0] == '"' || value.p[0] == '\'') &&
        value.p[value.n - 1] == value.p[0])
        value.p++, value.n -= 2;
    char p[256], v[256];
    if (path.n >= sizeof p || value.n >= sizeof v)
        return false;
    memcpy(p, path.p, path.n), p[path.n] = 0;
    memcpy(v, value.p, value.n), v[value.n] = 0;
    for (size_t i = 0; i < in->n; i++) {
        const cJSON *kid;
        cJSON_ArrayForEach(kid, in->at[i]) if (compare(first_of(kid, p), op, v)) push(out, kid);
    }
    return true;
}

static void indexed(const Nodes *in, long i, Nodes *out)
{
    for (size_t k = 0; k < in->n; k++) {
        int size = cJSON_GetArraySize(in->at[k]);
        const cJSON *kid = cJSON_GetArrayItem(in->at[k], (int)(i < 0 ? i + size : i));
        if (kid && cJSON_IsArray(in->at[k]))
            push(out, kid);
    }
}

/* One [...] step; *s stands behind '['. */
static bool bracket(const char **s, const Nodes *in, Nodes *out)
{
    const char *end = NULL;
    char body[512];
    int depth = 0;
    char quote = 0;
    for (const char *p = *s; *p && !end; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '"' || *p == '\'')
            quote = *p;
        else if (*p == '(')
            depth++;
        else if (*p == ')')
            depth--;
        else if (*p == ']' && depth == 0)
            end = p;
    }
    if (!end || (size_t)(end - *s) >= sizeof body)
        return false;
    size_t n = (size_t)(end - *s);
    memcpy(body, *s, n);
    body[n] = 0;
    *s = end + 1;
    if (body[0] == '?' && body[1] == '(' && body[n - 1] == ')') {
        body[n - 1] = 0;
        return filter(in, body + 2, out);
    }
    if ((body[0] == '\'' || body[0] == '"') && n >= 2 && body[n - 1] == body[0]) {
        body[n - 1] = 0;
        named(in, body + 1, out);
        return true;
    }
    int64_t i;
    if (str_eq(body, "*"))
        for (size_t k = 0; k < in->n; k++)
            children(in->at[k], out);
    else if (str_to_i64(body, &i))
        indexed(in, (long)i, out);
    else
        return false;
    return true;
}

static size_t take_name(const char **s, char *name, size_t cap)
{
    size_t n = 0;
    for (; **s && !strchr(".[", **s); (*s)++) {
        if (**s == '\\' && (*s)[1])
            (*s)++; /* "\." keeps a dot inside a name, as in kubectl */
        if (n < cap - 1)
            name[n++] = **s;
    }
    name[n] = 0;
    return n;
}

/* All nodes that `path` names, from root. False when the path does not parse. */
static bool walk(const cJSON *root, const char *path, Nodes *ret)
{
    Nodes cur = {0};
    char name[256];
    bool ok = true;
    push(&cur, root);
    if (*path == '$' || *path == '@')
        path++;
    while (*path && ok) {
        Nodes next = {0};
        if (path[0] == '.' && path[1] == '.') {
            path += 2;
            ok = take_name(&path, name, sizeof name) > 0;
            for (size_t i = 0; i < cur.n && ok; i++)
                descend(cur.at[i], name, &next);
        } else if (*path == '[') {
            path++;
            ok = bracket(&path, &cur, &next);
        } else {
            if (*path == '.')
                path++;
            if (!*path || *path == '[') { /* "{.}" and ".[0]" */
                free(next.at);
                continue;
            }
            ok = take_name(&path, name, sizeof name) > 0;
            named(&cur, name, &next);
        }
        free(cur.at);
        cur = next;
    }
    *ret = cur;
    return ok;
}

/* The first node that `path` names, or NULL. */
static const cJSON *first_of(const cJSON *root, const char *path)
{
    Nodes n;
    bool ok = walk(root, path, &n);
    const cJSON *first = ok && n.n ? n.at[0] : NULL;
    free(n.at);
    return first;
}

/* ---- the template ---- */

static void add_literal(StrBuf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\' || i + 1 == n) {
            strbuf_addc(out, s[i]);
            continue;
        }
        i++;
        strbuf_addc(out, s[i] == 'n' ? '\n' : s[i] == 't' ? '\t' : s[i]);
    }
}

/* End of the block that a {range} opens: the matching {end}. */
static const char *matching_end(const char *s)
{
    for (int depth = 1; (s = strchr(s, '{')); s++) {
        if (str_starts(s, "{range "))
            depth++;
        else if (str_starts(s, "{end}") && --depth == 0)
            return s;
    }
    return NULL;
}

static const char *expr_end(const char *s)
{
    for (char quote = 0; *s; s++) {
        if (quote)
            quote = *s == quote && s[-1] != '\\' ? 0 : quote;
        else if (*s == '"' || *s == '\'')
            quote = *s;
        else if (*s == '}')
            return s;
    }
    return NULL;
}

static ErrCode run(const cJSON *root, StrView tmpl, StrBuf *out, Error *err);

static ErrCode run_range(const cJSON *root, const char *path, StrView body, StrBuf *out, Error *err)
{
    Nodes n;
    ErrCode rc = ERR_OK;
    if (!walk(root, path, &n))
        rc = err_set(err, ERR_USAGE, "jsonpath: cannot read '%s'", path);
    for (size_t i = 0; i < n.n && rc == ERR_OK; i++)
        rc = run(n.at[i], body, out, err);
    free(n.at);
    return rc;
}

static ErrCode run_path(const cJSON *root, const char *path, StrBuf *out, Error *err)
{
    Nodes n;
    bool ok = walk(root, path, &n);
    for (size_t i = 0; i < n.n && ok; i++) {
        if (i)
            strbuf_addc(out, ' ');
        print_node(n.at[i], out);
    }
    free(n.at);
    return ok ? ERR_OK : err_set(err, ERR_USAGE, "jsonpath: cannot read '%s'", path);
}

static ErrCode run(const cJSON *root, StrView tmpl, StrBuf *out, Error *err)
{
    const char *s = tmpl.p, *end = tmpl.p + tmpl.n;
    while (s < end) {
        const char *open = memchr(s, '{', (size_t)(end - s));
        if (!open) {
            strbuf_add(out, s, (size_t)(end - s));
            break;
        }
        strbuf_add(out, s, (size_t)(open - s));
        const char *close = expr_end(open + 1);
        char expr[512];
        size_t n = close ? (size_t)(close - open - 1) : 0;
        if (!close || close >= end || n >= sizeof expr)
            return err_set(err, ERR_USAGE, "jsonpath: '{' without '}' in '%.60s'", open);
        memcpy(expr, open + 1, n);
        expr[n] = 0;
        s = close + 1;
        ErrCode rc = ERR_OK;
        if (str_starts(expr, "range ")) {
            const char *stop = matching_end(s);
            if (!stop)
                return err_set(err, ERR_USAGE, "jsonpath: {range} without {end}");
            rc = run_range(root, expr + 6, sv_n(s, (size_t)(stop - s)), out, err);
            s = stop + 5;
        } else if (expr[0] == '"' || expr[0] == '\'') {
            add_literal(out, expr + 1, n >= 2 ? n - 2 : 0);
        } else {
            rc = run_path(root, expr, out, err);
        }
        if (rc)
            return rc;
    }
    return ERR_OK;
}

ErrCode jsonpath_print(const cJSON *root, const char *tmpl, StrBuf *out, Error *err)
{
    if (strlen(tmpl) > TMPL_MAX)
        return err_set(err, ERR_USAGE, "jsonpath: longer than %d bytes", TMPL_MAX);
    if (!strchr(tmpl, '{')) /* kubectl accepts a bare path too */
        return run_path(root, tmpl, out, err);
    return run(root, sv(tmpl), out, err);
}
