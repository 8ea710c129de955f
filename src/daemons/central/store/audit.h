/* central/store/audit.h - who changed what: one row per accepted changing request. */
#pragma once
#include "store/store.h"

typedef struct AuditNew {
    const char *user, *role, *action, *object, *peer, *request_id;
    int status;                 /* HTTP */
    const char *before, *after; /* JSON, or NULL; never a secret */
} AuditNew;
/* With a transaction the row stands or falls with the change itself. done may be NULL. */
void audit_add(App *app, PgConn *tx, const AuditNew *r, AppDone done, void *ctx);

typedef struct AuditFilter {
    const char *user, *action, *object; /* each NULL: any */
    int64_t since_us;
} AuditFilter;
/* Items: ApiAudit, newest first. */
void audit_list(App *app, Arena *a, const AuditFilter *f, const Page *p, ListDone done, void *ctx);
