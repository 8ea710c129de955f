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
