/* store/admit.h - what happens to an object on its way into the store: defaults, validation, quota.
 *
 * Everything here looks at the store and changes only the object in hand. */
#pragma once
#include "store/schema.h"
#include "store/store.h"

typedef struct Admission {
    Store *store;
    Arena *a;
    const Kind *kind;
    const StoreWrite *w;
    cJSON *obj;       /* the object as it will be */
    const cJSON *old; /* as it was; NULL on create */
    Causes causes;
    Error *err;
} Admission;

/* Before the schema's own defaults, and after them. */
void defaults_before(Admission *ad);
ErrCode defaults_after(Admission *ad) MUST_USE;
void pod_spec_defaults(cJSON *spec);
/* Service account, its token volume, tolerations: what a new Pod gets. */
ErrCode pod_admit(Admission *ad) MUST_USE;
ErrCode service_admit(Admission *ad) MUST_USE;
ErrCode quota_admit(Admission *ad) MUST_USE;
/* used of a ResourceQuota, as an object of quantities. */
cJSON *quota_used(Store *s, const Obj *quota);

/* Add to ad->causes. */
void validate_meta(Admission *ad);
void validate_kind(Admission *ad);
void validate_service(Admission *ad);
void validate_endpoints(Admission *ad);
void validate_event(Admission *ad);
void validate_pdb(Admission *ad);
void validate_secret_type(Admission *ad);
void validate_quota(Admission *ad);
/* claims: volumeClaimTemplates, whose names count as volumes; may be NULL. */
void validate_pod_spec(Causes *c, const cJSON *spec, const char *path, const cJSON *claims);
/* Name of objects of this kind. */
const char *validate_name(const Kind *k, const char *name);
/* The store gives these from its configuration. */
void store_node_ports(const Store *s, int *ret_lo, int *ret_hi);
bool store_node_port_free(const Store *s, int port);
const char *store_service_cidr(const Store *s);
