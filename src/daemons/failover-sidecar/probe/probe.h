/* probe/probe.h - what PostgreSQL here says about itself, over the unix socket: a light query each
 * interval, heavy ones (databases, tables, slow queries, WAL folder) every 30 s.
 *
 * Lives while PostgreSQL is up. An answer that does not come within the probe's patience is a
 * finding as well: ready turns false with the reason. */
#pragma once
#include "model/health.h"
#include "pg/pool.h"

typedef struct Probe Probe;
typedef struct ProbeConfig {
    Loop *loop;
    PgPool *pool; /* taken over */
    unsigned interval_ms;
    unsigned pg_major;
    void (*on_result)(void *ctx); /* after each light query, and when it failed */
    void *ctx;
} ProbeConfig;

Probe *probe_new(const ProbeConfig *cfg);
void probe_free(Probe *p);
/* NULL until the first answer. pod_name, role, ready, disk and epoch are the caller's to fill; the
 * rest lives until the next on_result. */
const InstanceHealth *probe_health(const Probe *p);
bool probe_answered(const Probe *p); /* the last light query did */
const char *probe_error(const Probe *p);
bool probe_in_recovery(const Probe *p);
bool probe_read_only(const Probe *p); /* a primary whose default transaction is read-only */
void probe_now(Probe *p);             /* without waiting for the interval */
