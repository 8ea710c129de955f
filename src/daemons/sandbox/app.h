/* app.h - the process: one site. Wires the store, the API server, the controllers and the kubelet.
 */
#pragma once
#include "loop/loop.h"
#include "store/store.h"

typedef struct ApiServer ApiServer;
typedef struct Auth Auth;
typedef struct Faults Faults;

typedef struct Forward {
    char *name, *target; /* NAME=127.0.0.1:PORT: pods reach target at GATEWAY:PORT */
    int port;
} Forward;

typedef struct AppConfig {
    const char *site, *state_dir, *images_file;
    const char *labels; /* "k=v,k=v" of the node, or NULL */
    int api_port;       /* 0: any free one */
    int node_port_lo, node_port_hi;
    Forward *forwards;
    size_t forward_count;
    bool no_node;        /* API and controllers only: pods stay Pending */
    const char *version; /* what /version says: "v1.28.15" */
} AppConfig;

typedef struct App {
    Loop *loop;
    AppConfig cfg;
    Store *store;
    Auth *auth;
    ApiServer *api;
    int host_fd; /* the API's listening socket on the host's loopback, opened before kubelet_prepare
                  */
    /* The site's network; kubelet_prepare fills it in. Addresses as text. */
    struct {
        char gateway[16];      /* of the pods; the API answers there on api_port too */
        char pod_cidr[24];     /* "198.18.0.0/21" */
        char service_cidr[24]; /* "198.18.8.0/21" */
        int api_fd; /* > 0: a listening TCP socket inside the pods' network: the API is served there
                       too */
        int api_port; /* its port: KUBERNETES_SERVICE_PORT of pods */
    } net;
    long pid;     /* as others on this machine see us; kubelet_prepare may change it */
    char *ca_pem; /* of the API server: projected into pods as ca.crt */
    char *node_name;
    char *log_dir; /* pod logs: LOG_DIR/NAMESPACE_POD_UID/CONTAINER/RESTART.log, lines as a kubelet
                      writes them: "RFC3339 stdout|stderr F|P TEXT" */
    void *kubelet, *controllers; /* theirs */
    Faults *faults;              /* NULL without a node */
    bool stopping;
} App;

/* ---- kubelet/ and controllers/ give these ---- */
/* Before the store opens and before any thread is started: namespaces, network; fills in app->net.
 */
ErrCode kubelet_prepare(App *app, Error *err) MUST_USE;
/* Nobody listens on this port of the host's loopback; ctx: the App. */
bool kubelet_port_free(void *ctx, int port);
/* After the store is open and the API serves. */
ErrCode kubelet_start(App *app, Error *err) MUST_USE;
ErrCode controllers_start(App *app, Error *err) MUST_USE;
/* Ask pods to end, then call done; the process exits afterwards. */
void kubelet_stop(App *app, void (*done)(void *ctx), void *ctx);
void controllers_stop(App *app);

/* ---- app.c, for main ---- */
ErrCode app_new(const AppConfig *cfg, App **ret, Error *err) MUST_USE;
void app_run(App *app); /* until SIGTERM or SIGINT */
void app_free(App *app);

/* ---- auth gives this: a service-account token for a pod (a signed JWT that says when it ends)
 * ---- */
typedef struct TokenSpec {
    const char *ns, *service_account;
    const char *pod_name, *pod_uid; /* bound to this pod, or NULL */
    const char *audience;           /* NULL: this API server */
    int64_t ttl_seconds;            /* 0: one hour */
} TokenSpec;
ErrCode auth_token_issue(Auth *auth, Arena *a, const TokenSpec *spec, char **ret_token,
                         Error *err) MUST_USE;
