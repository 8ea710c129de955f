/* central/fleet/fleet.h - the streams of satellites that this central holds.
 *
 * One stream per satellite over all centrals: the newer wins. A satellite counts as connected while
 * its row in `streams` is there and fresh; one that is silent for 30 s is cut. Desired state is
 * sent by comparison (outbox), so a lost message is repaired by the next one. */
#pragma once
#include "app.h"
#include "wire/satellite_stream.h"

enum { FLEET_SILENCE_MS = 30000, FLEET_LOG_RING = 1000 };

Fleet *fleet_new(App *app);
void fleet_free(Fleet *f);
/* The methods of both services, for grpc_server_start. plaintext: bearer tokens instead of client
 * certificates. */
const GrpcMethod *fleet_methods(Fleet *f, bool plaintext);

typedef struct FleetStats {
    uint64_t streams, health_reports, events, acks, configs_sent, refused, bad_messages;
} FleetStats;
const FleetStats *fleet_stats(const Fleet *f);
bool fleet_holds(const Fleet *f, const char *satellite_id); /* by this central */

/* ---- questions to a satellite; ERR_UNAVAILABLE when no stream is here, ERR_TIMEOUT without an
 * answer ---- */
typedef void (*CredentialDone)(void *ctx, const Error *err, const CredentialReply *r);
void fleet_credentials(Fleet *f, const char *satellite_id, const char *ns, const char *cluster,
                       CredentialDone done, void *ctx);

/* Lines of a pod's log as they come; end is told once, as err or as chunk->end. */
typedef struct PodLog PodLog;
typedef void (*PodLogFn)(void *ctx, const Error *err, const PodLogChunk *chunk);
PodLog *fleet_pod_log(Fleet *f, const char *satellite_id, const PodLogRequest *req, PodLogFn fn,
                      void *ctx);
void fleet_pod_log_cancel(PodLog *p); /* fn will not be called; NULL is fine */

ErrCode fleet_set_log_level(Fleet *f, const char *satellite_id, const char *level,
                            const char *target, Error *err) MUST_USE;

/* ---- log lines of satellites, in memory ---- */
/* Newest last, at most `limit`, of this level and worse. Items: ApiLogEntry. */
void fleet_logs(Fleet *f, Arena *a, const char *satellite_id, const char *level, uint32_t limit,
                ObjList *ret);
typedef void (*FleetLogFn)(void *ctx, const char *satellite_id, const LogEntry *e);
void fleet_on_log(Fleet *f, FleetLogFn fn, void *ctx); /* one listener: the hub */
