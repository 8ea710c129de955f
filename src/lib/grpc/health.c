#include "grpc/health.h"

#include "core/map.h"
#include "core/vec.h"
#include "grpc/health/v1/health.pb-c.h"
#include <stdlib.h>

typedef Grpc__Health__V1__HealthCheckRequest CheckRequest;
typedef Grpc__Health__V1__HealthCheckResponse CheckResponse;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus Status;
#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

enum { SERVICE_LEN = 256 };

typedef struct Watcher {
    GrpcStream *stream;
    char *service;
} Watcher;

struct GrpcHealth {
    Map *states; /* service to &KNOWN[status] */
    VEC(Watcher) watchers;
};

/* Map values are pointers. */
static const Status KNOWN[] = {
    [STATUS(SERVING)] = STATUS(SERVING),
    [STATUS(NOT_SERVING)] = STATUS(NOT_SERVING),
};

static Status status_of(const GrpcHealth *h, const char *service, Status unknown)
{
    const Status *known = map_get(h->states, service);
    return known ? *known : unknown;
}

static void send_status(GrpcStream *s, Status status)
{
    CheckResponse msg = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    uint8_t buf[16];
    msg.status = status;
    size_t n = grpc__health__v1__health_check_response__pack(&msg, buf);
    Error err;
    if (grpc_stream_send(s, sv_n((char *)buf, n), &err)) /* it does not read what it watches */
        grpc_stream_finish(s, GRPC_RESOURCE_EXHAUSTED, err.msg);
}

/* The name asked for, or NULL after having ended the call. */
static char *asked_service(GrpcStream *s, StrView msg)
{
    CheckRequest *req =
        grpc__health__v1__health_check_request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    char *name = NULL;
    if (!req || !utf8_valid(req->service, strlen(req->service)))
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "not a HealthCheckRequest");
    else if (strlen(req->service) > SERVICE_LEN)
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "service: at most 256 bytes");
    else
        name = xstrdup(req->service);
    if (req)
        grpc__health__v1__health_check_request__free_unpacked(req, NULL);
    return name;
}

static void on_check(void *ctx, GrpcStream *s, StrView msg)
{
    const GrpcHealth *h = ctx;
    char *name = asked_service(s, msg);
    if (!name)
        return;
    Status status = status_of(h, name, STATUS(UNKNOWN));
    if (status == STATUS(UNKNOWN)) {
        grpc_stream_finish(s, GRPC_NOT_FOUND, "unknown service");
    } else {
        send_status(s, status);
        grpc_stream_finish(s, GRPC_OK, NULL);
    }
    free(name);
}

static void on_check_half_close(void *ctx, GrpcStream *s)
{
    (void)ctx;
    grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "no request"); /* unless it is finished */
}

static void on_watch(void *ctx, GrpcStream *s, StrView msg)
{
    GrpcHealth *h = ctx;
    if (grpc_stream_data(s)) {
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "one request is enough");
        return;
    }
    char *name = asked_service(s, msg);
    if (!name)
        return;
    grpc_stream_set_data(s, name);
    vec_push(&h->watchers, ((Watcher){s, name}));
    send_status(s, status_of(h, name, STATUS(SERVICE_UNKNOWN)));
}

static void on_watch_half_close(void *ctx, GrpcStream *s)
{
    (void)ctx;
    if (!grpc_stream_data(s))
        grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, "no request");
}

static void on_watch_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    (void)code;
    GrpcHealth *h = ctx;
    for (size_t i = 0; i < h->watchers.n; i++)
        if (h->watchers.at[i].stream == s) {
            free(h->watchers.at[i].service);
            vec_remove(&h->watchers, i);
            break;
        }
}

const GrpcMethod *grpc_health_methods(void)
{
    static const GrpcMethod rows[] = {
        {"/grpc.health.v1.Health/Check",
         {.on_message = on_check, .on_half_close = on_check_half_close},
         NULL},
        {"/grpc.health.v1.Health/Watch",
         {.on_message = on_watch, .on_half_close = on_watch_half_close, .on_end = on_watch_end},
         NULL},
        {NULL, {0}, NULL},
    };
    return rows;
}

void grpc_health_set(GrpcHealth *h, const char *service, bool serving)
{
    Status status = serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
    Status before = status_of(h, service, STATUS(UNKNOWN));
    map_put(h->states, service, (void *)(uintptr_t)&KNOWN[status]);
    for (size_t i = 0; before != status && i < h->watchers.n; i++)
        if (str_eq(h->watchers.at[i].service, service))
            send_status(h->watchers.at[i].stream, status);
}

GrpcHealth *grpc_health_new(void)
{
    GrpcHealth *h = xnew(GrpcHealth);
    h->states = map_new();
    return h;
}

void grpc_health_free(GrpcHealth *h)
{
    if (!h)
        return;
    map_free(h->states);
    vec_done(&h->watchers);
    free(h);
}
