/* auth/rbac.h - what an identity may do, from Roles, ClusterRoles and their bindings. */
#pragma once
#include "auth/auth.h"

typedef struct Attr {
    const char *verb, *group, *resource, *sub; /* sub NULL: none */
    const char *ns, *name;                     /* NULL: none */
    const char *path;                          /* a non-resource URL; then the rest is NULL */
} Attr;

bool rbac_allowed(Store *s, const Identity *who, const Attr *at);
/* "pods \"x\" is forbidden: User \"u\" cannot get resource ..." */
ErrCode rbac_denied(Arena *a, const Identity *who, const Attr *at, Error *err);
/* Every rule that holds for this identity in a namespace ("" cluster-wide only), as an array. */
cJSON *rbac_rules(Store *s, const Identity *who, const char *ns);
/* Nobody may grant what they do not hold: FORBIDDEN when `obj`, a role or a binding about to be
 * written, gives more than `who` has. */
ErrCode rbac_check_grant(Store *s, Arena *a, const Identity *who, const Kind *k, const cJSON *obj,
                         Error *err) MUST_USE;
