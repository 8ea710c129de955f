/* cli/sandbox/fault.h - asking a site for a fault: which site, which pods, what came of it. */
#pragma once
#include "sandbox/sandbox.h"

/* The site that a request is for, by --site, CLUSTER@SITE, or by having the cluster's pods. */
typedef struct FaultWhere {
    const Site *site;
    const char *cluster;
} FaultWhere;
ErrCode fault_where(Sandbox *s, FaultWhere *ret, Error *err) MUST_USE;
ErrCode fault_site(Sandbox *s, const char *name, const Site **ret, Error *err) MUST_USE;

cJSON *fault_request(Sandbox *s, const char *kind);              /* {kind} */
void fault_put(cJSON *req, const char *name, const char *value); /* unless it is empty */
/* cluster, namespace, pods and who, of arguments and options. */
ErrCode fault_put_targets(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err) MUST_USE;
ErrCode fault_put_duration(Sandbox *s, cJSON *req, const char *opt, const char *member,
                           Error *err) MUST_USE;

/* Send it (NULL: list what is in force) and add what was done to items, each with its site. */
ErrCode fault_ask(Sandbox *s, const Site *site, const cJSON *req, cJSON *items,
                  Error *err) MUST_USE;
/* Finds where, lets `fill` complete the request, asks. */
typedef ErrCode (*FaultFill)(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err);
ErrCode fault_run(Sandbox *s, const char *kind, FaultFill fill, cJSON *items, Error *err) MUST_USE;
