#include "svc/registration.h"

#include "core/clock.h"
#include "core/ident.h"
#include "core/log.h"
#include "model/kname.h"
#include "store/enrolment.h"
#include "store/events.h"
#include "svc/satellites.h"
#include "svc/unary.h"
#include <sodium.h>
#include <stdlib.h>

/* An approval often follows at once; one that does not may take days. */
enum {
    RETRY_FIRST_MS = 500,
    RETRY_SOON_MS = 1000,
    RETRY_LATER_MS = 5000,
    SOON_S = 600,
    CSR_MAX = 16 * 1024,
    LABELS_MAX = 64,
    PENDING_MAX = 2000
};

struct Registration {
    App *app;
    RateLimit *limit;
};

static void sha256(const char *text, unsigned char ret[32])
{
    crypto_hash_sha256(ret, (const unsigned char *)text, strlen(text));
}

/* ---- Register ---- */

typedef struct Registering {
    Unary *u;
    App *app;
    RegisterRequest req;
    const char *name;
    char temp_token[TOKEN_LEN + 1];
    const char *satellite_id;
    unsigned char token_sha256[32];
    SatelliteEnrol enrol;
} Registering;

/* What a site calls itself, as a name: "Edge A_1" is edge-a-1. */
static const char *name_of(Arena *a, const RegisterRequest *req)
{
    char *out = arena_strdup(a, str_or(req->k8s_cluster_name, req->hostname)), *to = out;
    for (const char *p = out; *p && to - out < 63; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (ok || (to > out && to[-1] != '-'))
            *to++ = ok ? c : '-';
    }
    while (to > out && to[-1] == '-')
        to--;
    *to = 0;
    return *out ? out : "satellite";
}

static ErrCode check_labels(const RegisterRequest *req, Error *err)
{
    if (req->labels.n > LABELS_MAX)
        return err_set(err, ERR_INVALID, "labels: %zu are too many, %d is the limit", req->labels.n,
                       LABELS_MAX);
    for (size_t i = 0; i < req->labels.n; i++)
        if (!kname_label_key(req->labels.at[i].key) || !kname_label_value(req->labels.at[i].value))
            return err_set(err, ERR_INVALID, "labels: '%s=%s' is not a Kubernetes label",
                           req->labels.at[i].key, req->labels.at[i].value);
    return ERR_OK;
}

/* The request must be one that we can sign later: better said now than at approval. */
static ErrCode check_request(Registering *g, Error *err)
{
    ClientCert unused;
    if (strlen(g->req.csr_pem) > CSR_MAX)
        return err_set(err, ERR_TOO_LARGE, "csr_pem: more than %d bytes", CSR_MAX);
    if (strlen(g->req.hostname) > 253 || strlen(g->req.region) > 63 ||
        strlen(g->req.k8s_cluster_name) > 253)
        return err_set(err, ERR_INVALID, "hostname, region or k8s_cluster_name is too long");
    if (check_labels(&g->req, err))
        return err->code;
    if (ca_sign_client(g->app->ca, g->u->arena, g->req.csr_pem, "probe", &unused, err))
        return err_set(err, ERR_INVALID, "csr_pem: not a PKCS #10 request that verifies");
    return ERR_OK;
}

static void answer(Registering *g, const char *note)
{
    AUTO_STRBUF out = {0};
    RegisterResponse resp = {g->satellite_id, g->temp_token, RETRY_FIRST_MS, note};
    wire_register_response_encode(&resp, &out);
    unary_reply(g->u, sv_n(strbuf_str(&out), out.n));
}

/* A token that admits nobody is no reason to turn the site away: an admin may still let it in. */
static void enrolled(void *ctx, const Error *err, const SatelliteRow *s)
{
    Registering *g = ctx;
    (void)s;
    if (err && err->code != ERR_PRECONDITION && err->code != ERR_EXISTS) {
        unary_fail(g->u, err);
        return;
    }
    if (!err) {
        log_info("registration", "admitted by its enrolment token", "satellite_id=%s name=%s",
                 g->satellite_id, g->name);
        answer(g, "");
        return;
    }
    char *note = arena_printf(g->u->arena, "%s; an admin has to approve it", err->msg);
    log_warn("registration", "not admitted by its enrolment token",
             "satellite_id=%s name=%s err=%s", g->satellite_id, g->name, log_quote(err->msg));
    EventNew e = {.severity = "warning",
                  .kind = "satellite.enrolment",
                  .satellite = g->name,
                  .message = arena_printf(g->u->arena, "satellite '%s' waits: %s", g->name, note)};
    event_add(g->app, NULL, &e, NULL, NULL);
    answer(g, note);
}

static void registered(void *ctx, const Error *err, const char *satellite_id)
{
    Registering *g = ctx;
    const char *token = g->req.enrolment_token;
    if (err) {
        unary_fail(g->u, err);
        return;
    }
    g->satellite_id = arena_strdup(g->u->arena, satellite_id);
    log_info("registration", "satellite registered", "satellite_id=%s name=%s host=%s",
             satellite_id, g->name, log_quote(g->req.hostname));
    if (str_empty(token)) {
        answer(g, "");
        return;
    }
    sha256(token, g->token_sha256);
    g->enrol = (SatelliteEnrol){.id = g->satellite_id,
                                .name = g->name,
                                .peer = g->u->s ? grpc_stream_peer(g->u->s) : "",
                                .token_sha256 = g->token_sha256};
    satellite_enrol(g->app, g->u->arena, &g->enrol, enrolled, g);
}

static void counted(void *ctx, const Error *err, PgResult *r)
{
    Registering *g = ctx;
    Error why;
    unsigned char key[32], temp[32];
    if (!err && pg_get_int(r, 0, 0) >= PENDING_MAX) {
        err_set(&why, ERR_EXHAUSTED, "%d satellites wait for approval already", PENDING_MAX);
        err = &why;
    }
    if (err) {
        unary_fail(g->u, err);
        return;
    }
    token_new(g->temp_token);
    sha256(g->req.csr_pem, key);
    sha256(g->temp_token, temp);
    EnrolNew n = {.name = g->name,
                  .req = &g->req,
                  .peer = g->u->s ? grpc_stream_peer(g->u->s) : "",
                  .key_sha256 = key,
                  .temp_sha256 = temp,
                  .labels_json = store_map_json(g->u->arena, g->req.labels)};
    enrol_register(g->app, &n, registered, g);
}

/* What counts: registrations, and approval questions with a wrong token. Polling with a right one
 * is free, many sites may stand behind one address. */
static bool within_limit(const Unary *u, const Registration *reg, Error *err)
{
    const char *key = ratelimit_key(u->arena, grpc_stream_peer(u->s));
    bool ok = ratelimit_ok(reg->limit, key, loop_now(reg->app->loop));
    if (!ok)
        err_set(err, ERR_EXHAUSTED, "too many calls from this address; wait a minute");
    return ok;
}

static void count_hit(const Registration *reg, const char *key)
{
    ratelimit_hit(reg->limit, key, loop_now(reg->app->loop));
}

static void handle_register(Unary *u)
{
    Registration *reg = u->ctx;
    Registering *g = arena_new_of(u->arena, Registering);
    Error err;
    g->u = u;
    g->app = reg->app;
    if (!within_limit(u, reg, &err) ||
        wire_register_request_decode(u->arena, u->request, &g->req, &err) ||
        check_request(g, &err)) {
        unary_fail(u, &err);
        return;
    }
    count_hit(reg, ratelimit_key(u->arena, grpc_stream_peer(u->s)));
    g->name = name_of(u->arena, &g->req);
    pg_query(g->app->pool, "SELECT count(*) FROM satellites WHERE state = 'pending'", PG_NO_PARAMS,
             counted, g);
}

/* ---- CheckApproval ---- */

typedef struct Checking {
    Unary *u;
    App *app;
    ApprovalRequest req;
    EnrolRow row;
    ClientCert cert;
    char auth_token[65];
    const char *peer_key;
} Checking;

static void reply(Checking *k, const ApprovalResponse *resp)
{
    AUTO_STRBUF out = {0};
    wire_approval_response_encode(resp, &out);
    unary_reply(k->u, sv_n(strbuf_str(&out), out.n));
}

static void issued(void *ctx, const Error *err)
{
    Checking *k = ctx;
    if (err) {
        unary_fail(k->u, err);
        return;
    }
    ApprovalResponse resp = {.state = APPROVAL_APPROVED,
                             .auth_token = k->auth_token,
                             .certificate_pem = k->cert.pem,
                             .ca_pem = ca_cert_pem(k->app->ca),
                             .name = k->row.name};
    reply(k, &resp);
}

/* The same certificate again while more than a third of its life is left. */
static ErrCode certificate(Checking *k, bool *ret_fresh, Error *err)
{
    int64_t left = k->row.certificate_expires_us - clock_wall_us();
    if (*k->row.certificate_pem && left > (int64_t)CLIENT_CERT_DAYS / 3 * 86400 * 1000000) {
        k->cert.pem = arena_strdup(k->u->arena, k->row.certificate_pem);
        *ret_fresh = false;
        return ERR_OK;
    }
    *ret_fresh = true;
    return ca_sign_client(k->app->ca, k->u->arena, k->row.csr_pem, k->row.id, &k->cert, err);
}

/* Somebody may be standing beside a new site; nobody stands beside one that has waited for long. */
static uint32_t retry_after(const EnrolRow *row)
{
    bool is_new = clock_wall_us() - row->created_us < (int64_t)SOON_S * 1000000;
    return is_new ? RETRY_SOON_MS : RETRY_LATER_MS;
}

static void checked(void *ctx, const Error *err, const EnrolRow *row)
{
    Checking *k = ctx;
    Error why;
    bool fresh;
    unsigned char sha[32];
    if (err) {
        if (err->code == ERR_UNAUTHENTICATED)
            count_hit(k->u->ctx, k->peer_key);
        unary_fail(k->u, err);
        return;
    }
    k->row = *row;
    if (!str_eq(row->state, "approved")) {
        ApprovalResponse resp = {.state = str_eq(row->state, "pending") ? APPROVAL_PENDING
                                                                        : APPROVAL_REJECTED,
                                 .auth_token = "",
                                 .certificate_pem = "",
                                 .ca_pem = "",
                                 .name = "",
                                 .retry_after_ms = retry_after(row)};
        reply(k, &resp);
        return;
    }
    if (certificate(k, &fresh, &why)) {
        unary_fail(k->u, &why);
        return;
    }
    sealer_derive(k->app->sealer, "satellite token", row->id, k->auth_token);
    sha256(k->auth_token, sha);
    if (fresh)
        enrol_issue(k->app, row->id, &k->cert, sha, issued, k);
    else
        issued(k, NULL);
}

static void handle_approval(Unary *u)
{
    Registration *reg = u->ctx;
    Checking *k = arena_new_of(u->arena, Checking);
    Error err;
    unsigned char sha[32];
    k->u = u;
    k->app = reg->app;
    if (!within_limit(u, reg, &err) ||
        wire_approval_request_decode(u->arena, u->request, &k->req, &err)) {
        unary_fail(u, &err);
        return;
    }
    k->peer_key = ratelimit_key(u->arena, grpc_stream_peer(u->s));
    sha256(k->req.temp_token, sha);
    enrol_check(k->app, u->arena, k->req.satellite_id, sha, checked, k);
}

/* ---- the methods ---- */

static void open_register(void *ctx, GrpcStream *s)
{
    unary_open(s, ctx, handle_register);
}

static void open_approval(void *ctx, GrpcStream *s)
{
    unary_open(s, ctx, handle_approval);
}

const GrpcHandler registration_register = {open_register, unary_message, unary_half_close, NULL,
                                           unary_end};
const GrpcHandler registration_approval = {open_approval, unary_message, unary_half_close, NULL,
                                           unary_end};

Registration *registration_new(App *app, RateLimit *limit)
{
    Registration *r = xnew(Registration);
    *r = (Registration){app, limit};
    return r;
}

void registration_free(Registration *r)
{
    free(r);
}
