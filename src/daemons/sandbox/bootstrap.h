/* bootstrap.h - what a site has from the start: namespaces, built-in roles, the kubernetes Service,
 * a default StorageClass; and the status of ResourceQuotas, which belongs to the API. */
#pragma once
#include "app.h"

/* Idempotent: makes what is missing. */
ErrCode bootstrap_objects(App *app, Error *err) MUST_USE;
void bootstrap_watch(App *app);
/* The Endpoints of the Service "kubernetes": where the API answers for pods. */
ErrCode bootstrap_endpoints(App *app, Error *err) MUST_USE;
