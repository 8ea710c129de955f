/* central/api/api.h - the REST side of central: dispatch, authorisation, audit, metrics. */
#pragma once
#include "app.h"

typedef struct Api Api;

Api *api_new(App *app);
void api_free(Api *api); /* after http_server_free */
/* For HttpServerConfig: handler and body_limit_for, ctx is the Api. */
void api_handler(void *ctx, HttpReq *r);
size_t api_body_limit(void *ctx, const char *method, const char *path);
/* The whole interface as an OpenAPI 3.0 document. */
char *api_openapi(Arena *a);
