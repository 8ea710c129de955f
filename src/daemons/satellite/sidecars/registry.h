/* sidecars/registry.h - which sidecar is connected, and what it said last. Keyed by namespace and
 * pod; of two for one pod the newest wins. No I/O. */
#pragma once
#include "core/map.h"
#include "grpc/server.h"
#include "model/health.h"

typedef struct Member {
    char *key, *ns, *cluster, *pod; /* key: "NS/POD" */
    GrpcStream *stream;             /* NULL: gone */
    Arena *health_arena;
    InstanceHealth health;
    bool has_health;
    uint64_t heard_ms;
    unsigned streams; /* that joined and have not left: the one in force and those it replaced */
} Member;

typedef struct Registry {
    Map *members;
} Registry;

void registry_init(Registry *r);
void registry_done(Registry *r);
Member *registry_find(const Registry *r, const char *ns, const char *pod);
/* The member of this pod, with `stream` in force; *ret_old is the stream it replaces, or NULL. */
typedef struct MemberName {
    const char *ns, *cluster, *pod;
} MemberName;
Member *registry_join(Registry *r, const MemberName *name, GrpcStream *stream,
                      GrpcStream **ret_old);
/* The stream ended; false when it was not (any more) the one in force. The member is gone with its
 * last stream. */
bool registry_leave(Registry *r, Member *m, const GrpcStream *stream);
/* Keep a copy; true when role, readiness, error, timeline or epoch are other than before. */
bool registry_health(Member *m, const InstanceHealth *h, uint64_t now_ms);
