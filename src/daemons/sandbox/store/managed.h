/* store/managed.h - who owns which field: metadata.managedFields, and server-side apply on it;
 * pure.
 *
 * A set of fields is a tree in the form of FieldsV1: {"f:spec": {"f:replicas": {}}}; "." is the
 * thing itself, "k:{...}" an element of a keyed list, "v:..." of a set. */
#pragma once
#include "store/schema.h"

typedef struct Manager {
    const char *name, *operation; /* "Apply" or "Update" */
    const char *subresource;      /* "" or "status" */
    const char *api_version, *time;
} Manager;

/* The fields of a value, as an applied configuration owns them. */
cJSON *fields_of(const Type *t, const cJSON *value);
/* Fields that are new or different in `now`, and fields that are gone. */
void fields_diff(const Type *t, const cJSON *old, const cJSON *now, cJSON *changed, cJSON *removed);
void fields_add(cJSON *set, const cJSON *more);
void fields_subtract(cJSON *set, const cJSON *less);
cJSON *fields_common(const cJSON *a, const cJSON *b);
/* Take out what nobody owns: name, uid, resourceVersion, ... */
void fields_strip_meta(cJSON *set);
bool fields_empty(const cJSON *set);

/* After an ordinary write: what changed becomes the manager's, and nobody else's. m NULL: nobody's
 * (our own controllers). Changes metadata.managedFields of `now`. */
void managed_update(const Type *t, const cJSON *old, cJSON *now, const Manager *m);
/* Server-side apply of `config` on `live` (changed; an empty object when there is nothing yet).
 * CONFLICT with causes when others own what would change, unless force. */
typedef struct Apply {
    const Type *type;
    const cJSON *config;
    const Manager *manager;
    bool force;
} Apply;
/* Only known fields, lists where lists belong, no key twice in a keyed list; the words are
 * Kubernetes'. */
ErrCode apply_typed(const Type *t, const cJSON *config, const char *path, Error *err) MUST_USE;
ErrCode managed_apply(const Apply *ap, cJSON *live, Causes *c, Error *err) MUST_USE;
