/* member/instance.h - PostgreSQL here while it is up: the connection, the probe, and on a primary
 * what it must have. Made when PostgreSQL is started, freed when it is down. */
#pragma once
#include "config.h"
#include "election/position.h"
#include "probe/probe.h"

typedef struct Instance Instance;
typedef struct InstanceConfig {
    Loop *loop;
    const Config *cfg;
    bool primary;
    bool
        established; /* of a cluster that exists: a primary may let clients in before it is prepared
                      */
    unsigned pg_major;
    void (*on_change)(void *ctx); /* after each probe, and when the bootstrap ended */
    void *ctx;
} InstanceConfig;

/* ERR when the superuser's password cannot be read. */
ErrCode instance_new(const InstanceConfig *ic, Instance **ret, Error *err) MUST_USE;
/* To PostgreSQL here, as superuser over the unix socket; holds the password. */
ErrCode instance_conninfo(Arena *a, const Config *cfg, const char **ret, Error *err) MUST_USE;
void instance_free(Instance *i);
const Probe *instance_probe(const Instance *i); /* NULL for NULL */
void instance_probe_now(Instance *i);
PgPool *instance_pool(const Instance *i);
bool instance_bootstrapped(const Instance *i);
/* The standby was promoted: the connection stays, what a primary must have is prepared. */
void instance_promoted(Instance *i);
/* A primary that is out of recovery, answers, and has what the first clients need. */
bool instance_open(const Instance *i);
bool instance_rogue(const Instance *i); /* a standby that answers that it is not in recovery */
bool instance_answered(const Instance *i);
PositionPoll *instance_position(const Instance *i); /* NULL for NULL */
/* Ready for clients: a bootstrapped primary that accepts writes, a standby that streams. When not,
 * *ret_why says so. */
bool instance_ready(const Instance *i, const char **ret_why);
/* The same, but a standby may be without its stream. */
bool instance_serves(const Instance *i);
