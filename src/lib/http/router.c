#include "http/router.h"

#include "http/url.h"
#include <stdlib.h>

enum { MAX_SEGMENTS = 16 };

typedef enum SegKind { SEG_LITERAL, SEG_PARAM, SEG_REST } SegKind;
typedef struct Seg {
    SegKind kind;
    StrView text; /* literal text, or the parameter's name */
} Seg;

typedef struct Row {
    const char *method;
    Seg seg[MAX_SEGMENTS];
    size_t n;
} Row;

struct Router {
    Arena *arena;
    Row *rows;
    size_t n;
};

static Seg parse_segment(Router *r, const char *pattern, StrView text)
{
    if (text.n < 3 || text.p[0] != '{' || text.p[text.n - 1] != '}')
        return (Seg){SEG_LITERAL, text};
    StrView name = {text.p + 1, text.n - 2};
    SegKind kind = SEG_PARAM;
    if (sv_ends(name, "...")) {
        kind = SEG_REST;
        name.n -= 3;
    }
    if (name.n == 0)
        BUG("route %s: a parameter without a name", pattern);
    return (Seg){kind, sv(sv_dup(r->arena, name))};
}

static void parse_row(Router *r, Row *row, const RouterRow *src)
{
    if (src->pattern[0] != '/')
        BUG("route %s does not start with '/'", src->pattern);
    row->method = src->method;
    StrView rest = sv(src->pattern + 1);
    size_t params = 0;
    while (rest.p) {
        if (row->n == MAX_SEGMENTS - 1 || (row->n && row->seg[row->n - 1].kind == SEG_REST))
            BUG("route %s: too many segments", src->pattern);
        Seg s = parse_segment(r, src->pattern, sv_cut(&rest, '/'));
        params += s.kind != SEG_LITERAL;
        row->seg[row->n++] = s;
    }
    if (params > ROUTER_PARAMS_MAX)
        BUG("route %s: too many parameters", src->pattern);
}

static bool same_shape(const Row *a, const Row *b)
{
    if (a->n != b->n || !str_eq(a->method, b->method))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->seg[i].kind != b->seg[i].kind ||
            (a->seg[i].kind == SEG_LITERAL && !sv_eq(a->seg[i].text, b->seg[i].text)))
            return false;
    return true;
}

Router *router_new(const RouterRow *rows, size_t n)
{
    Router *r = xnew(Router);
    r->arena = arena_new();
    r->rows = arena_array(r->arena, Row, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        parse_row(r, &r->rows[i], &rows[i]);
        for (size_t j = 0; j < i; j++)
            if (same_shape(&r->rows[i], &r->rows[j]))
                BUG("route %s %s is there twice", rows[i].method, rows[i].pattern);
    }
    r->n = n;
    return r;
}

void router_free(Router *r)
{
    if (!r)
        return;
    arena_free(r->arena);
    free(r);
}

/* Split "/a/b" into at most MAX_SEGMENTS pieces; the rest stays in the last one. */
static size_t split(StrView path, StrView seg[MAX_SEGMENTS])
{
    size_t n = 0;
    StrView rest = {path.p + 1, path.n - 1};
    while (rest.p && n < MAX_SEGMENTS - 1)
        seg[n++] = sv_cut(&rest, '/');
    if (rest.p)
        seg[n++] = rest;
    return n;
}

static bool fits(const Row *row, const StrView *seg, size_t n)
{
    bool open = row->seg[row->n - 1].kind == SEG_REST;
    if (open ? n < row->n : n != row->n)
        return false;
    for (size_t i = 0; i < row->n; i++) {
        if (row->seg[i].kind == SEG_LITERAL ? !sv_eq(row->seg[i].text, seg[i]) : seg[i].n == 0)
            return false;
    }
    return true;
}

static bool more_literal(const Row *a, const Row *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (a->seg[i].kind != b->seg[i].kind)
            return a->seg[i].kind < b->seg[i].kind;
    return a->n > b->n;
}

static bool serves(const Row *row, StrView method)
{
    return sv_eqs(method, row->method) || (sv_eqs(method, "HEAD") && str_eq(row->method, "GET"));
}

static ErrCode take_params(const Row *row, Arena *a, const StrView *seg, StrView path,
                           RouterMatch *ret, Error *err)
{
    for (size_t i = 0; i < row->n; i++) {
        if (row->seg[i].kind == SEG_LITERAL)
            continue;
        StrView raw = seg[i];
        if (row->seg[i].kind == SEG_REST)
            raw.n = (size_t)(path.p + path.n - raw.p);
        const char *value = url_decode(a, raw, false);
        if (!value)
            return err_set(err, ERR_MALFORMED, "path: '" SV_FMT "' does not decode to UTF-8 text",
                           SV_ARG(raw));
        ret->params[ret->n].name = row->seg[i].text.p;
        ret->params[ret->n++].value = value;
    }
    return ERR_OK;
}

static ErrCode no_method(Arena *a, StrView allow, StrView method, RouterMatch *ret, Error *err)
{
    ret->allow = sv_dup(a, allow);
    return err_set(err, ERR_METHOD, SV_FMT " is not possible here, only %s", SV_ARG(method),
                   ret->allow);
}

ErrCode router_match(const Router *r, Arena *a, StrView method, StrView raw_path, RouterMatch *ret,
                     Error *err)
{
    StrView seg[MAX_SEGMENTS];
    AUTO_STRBUF allow = {0};
    const Row *best = NULL;
    *ret = (RouterMatch){0};
    if (raw_path.n == 0 || raw_path.p[0] != '/')
        return err_set(err, ERR_NOT_FOUND, "path: does not start with '/'");
    size_t n = split(raw_path, seg);
    for (size_t i = 0; i < r->n; i++) {
        const Row *row = &r->rows[i];
        if (!fits(row, seg, n))
            continue;
        if (serves(row, method)) {
            if (!best || more_literal(row, best))
                best = row;
        } else if (!strstr(strbuf_str(&allow), row->method)) {
            strbuf_addf(&allow, "%s%s", allow.n ? ", " : "", row->method);
        }
    }
    if (best) {
        ret->row = (size_t)(best - r->rows);
        return take_params(best, a, seg, raw_path, ret, err);
    }
    if (allow.n)
        return no_method(a, (StrView){allow.p, allow.n}, method, ret, err);
    return err_set(err, ERR_NOT_FOUND, "nothing is served at " SV_FMT, SV_ARG(raw_path));
}

const char *router_param(const RouterMatch *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->params[i].name, name))
            return m->params[i].value;
    return NULL;
}
