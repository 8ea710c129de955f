/* http/client.h - HTTP/1.1 requests on libcurl's multi interface, driven by our loop; connections
 * are kept.
 *
 * For the Kubernetes API, for swarmctl, for object stores. A call ends in exactly one on_done,
 * never from inside http_call; http_call_cancel ends it without one. Requests go straight to the
 * host: a proxy named in the environment is not used (it would see tokens), redirects are not
 * followed, compressed answers are not asked for. Everything here belongs to the loop's thread and
 * may be called from inside the callbacks of any call. */
#pragma once
#include "core/str.h"
#include "loop/loop.h"

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

typedef struct HttpClientConfig {
    const char *ca_pem;             /* contents; NULL: the system's store */
    const char *cert_pem, *key_pem; /* client certificate, or NULL */
    bool insecure;                  /* no verification: for tests against a throwaway server only */
    uint64_t connect_timeout_ms;    /* 0: 5,000 */
    const char *user_agent;         /* NULL: "pg-swarm/VERSION" */
    const char *unix_socket;        /* NULL: TCP */
} HttpClientConfig;

typedef struct HttpResponse {
    int status;
    StrView body; /* NUL-terminated; empty when on_data took it */
    /* Value of a response header (names case-insensitive), or NULL. */
    const char *(*header)(const struct HttpResponse *r, const char *name);
    void *priv;
} HttpResponse;

typedef struct HttpCallSpec {
    const char *method, *url;
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    StrView body;
    size_t body_limit;        /* of the response; 0: 64 MiB; with on_data: 0 is no limit */
    uint64_t timeout_ms;      /* of the whole call; 0: 30,000; UINT64_MAX: none (watches) */
    uint64_t idle_timeout_ms; /* no byte for so long: ERR_TIMEOUT; 0: none; off while paused */
    /* Set: the body comes in pieces, as it arrives, once the status is known (a watch, a log).
     * Return false to pause after these bytes; http_call_resume goes on. */
    bool (*on_data)(void *ctx, int status, const char *data, size_t n);
    /* err NULL: an HTTP answer arrived, whatever its status. err set: none did, or it broke off:
     * UNAVAILABLE (no connection, no trust), TIMEOUT, TOO_LARGE (body_limit), INVALID (the URL). */
    void (*on_done)(void *ctx, const Error *err, const HttpResponse *resp);
    void *ctx;
} HttpCallSpec;

ErrCode http_client_new(Loop *l, const HttpClientConfig *cfg, HttpClient **ret,
                        Error *err) MUST_USE;
void http_client_free(HttpClient *c);                         /* cancels what is under way */
HttpCall *http_call(HttpClient *c, const HttpCallSpec *spec); /* copies what it needs of spec */
void http_call_resume(HttpCall *call);
/* on_done will not be called. */
void http_call_cancel(HttpCall *call);
