/* http/router.h - from method and path to a row of a route table.
 *
 * A pattern is a path whose segments are literal, "{name}" (exactly one segment) or, as the last
 * one, "{name...}" (one segment or more). A path is matched undecoded, segment by segment, and each
 * parameter is then decoded on its own: a percent-encoded slash stays inside its parameter. When
 * several patterns match, the one that is literal in the earliest segment wins. GET serves HEAD.
 * The router only reads after router_new. */
#pragma once
#include "core/str.h"

typedef struct Router Router;
enum { ROUTER_PARAMS_MAX = 8 };

typedef struct RouterRow {
    const char *method, *pattern; /* kept, not copied */
} RouterRow;

typedef struct RouterMatch {
    size_t row; /* index in the table */
    size_t n;
    struct {
        const char *name, *value;
    } params[ROUTER_PARAMS_MAX];
    const char *allow; /* at ERR_METHOD: "GET, PUT", for the Allow field */
} RouterMatch;

/* A malformed pattern or two equal rows are a BUG: tables are ours. */
Router *router_new(const RouterRow *rows, size_t n);
void router_free(Router *r);
/* raw_path: without the query, undecoded. ERR_NOT_FOUND: no pattern has this path; ERR_METHOD: some
 * have, but not this method (ret->allow says which); ERR_MALFORMED: a parameter does not decode. */
ErrCode router_match(const Router *r, Arena *a, StrView method, StrView raw_path, RouterMatch *ret,
                     Error *err) MUST_USE;
/* Value of {name}; NULL when the pattern has no such parameter. */
const char *router_param(const RouterMatch *m, const char *name);
