/* api/api.h - the Kubernetes REST API over the store. What we do not serve is a clear 404 or 405.
 */
#pragma once
#include "app.h"

/* Takes over the listening sockets app->host_fd and, when there is one, app->net.api_fd. */
ErrCode api_start(App *app, ApiServer **ret, Error *err) MUST_USE;
int api_port(const ApiServer *s);
/* Ends watches and followed logs, answers what is under way, then calls done. */
void api_stop(ApiServer *s, void (*done)(void *ctx), void *ctx);
void api_free(ApiServer *s);

/* ---- made to go wrong (apifault.c); the private path of faults is spared ---- */
typedef struct ApiSlow {
    uint64_t delay_ms; /* each answer comes so much later */
    int fail, rate;    /* rate percent are this status instead; 0: none */
} ApiSlow;
void api_slow(ApiServer *s, const ApiSlow *slow);
/* Pods are refused and what they had open is cut; on the host's port everything is a 503. for_ms 0:
 * until api_up; else it comes back by itself, and back(ctx) is called. */
void api_down(ApiServer *s, uint64_t for_ms, void (*back)(void *ctx), void *ctx);
ErrCode api_up(ApiServer *s, Error *err) MUST_USE;
