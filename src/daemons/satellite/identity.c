#include "identity.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/ident.h"
#include "grpc/client.h"
#include "net/x509.h"
#include "render/tpl.h"
#include "wire/registration.h"
#include <stdlib.h>

enum {
    CALL_MS = 15000,
    POLL_MIN_MS = 1000,
    POLL_MAX_MS = 60000,
    REJECTED_POLL_MS = 60000,
    SIDECAR_CA_DAYS = 3650,
    PEM_MAX = 64 * 1024,
    ENROLMENT_TOKEN_MAX = 200,
    DAY_MS = 24 * 3600 * 1000,
    HOUR_MS = 3600 * 1000,
};

struct Identity {
    Loop *l;
    Kube *k;
    const SatConfig *cfg;
    IdentityEvents ev;
    IdentityState state;
    char *private_key, *csr, *satellite_id, *temp_token, *certificate, *ca, *auth_token, *name;
    char *sidecar_ca, *sidecar_ca_key;
    char *kubernetes_version;
    KubeCall *kube_call;
    GrpcChannel *channel;
    TlsCtx *tls; /* of the channel; it dials on demand, so it must outlive our use */
    Timer *timer;
    Backoff backoff;
    bool loaded;
    bool ask_again; /* approved, but central does not take us any more: why? */
};

/* Keys of the Secret. */
static const struct {
    const char *key;
    size_t offset;
} KEYS[] = {
    {"private-key", offsetof(Identity, private_key)},
    {"csr", offsetof(Identity, csr)},
    {"satellite-id", offsetof(Identity, satellite_id)},
    {"temp-token", offsetof(Identity, temp_token)},
    {"certificate", offsetof(Identity, certificate)},
    {"ca", offsetof(Identity, ca)},
    {"auth-token", offsetof(Identity, auth_token)},
    {"name", offsetof(Identity, name)},
    {"sidecar-ca", offsetof(Identity, sidecar_ca)},
    {"sidecar-ca-key", offsetof(Identity, sidecar_ca_key)},
};
enum { KEY_COUNT = sizeof KEYS / sizeof *KEYS };

static char **slot(Identity *id, size_t i)
{
    return (char **)((char *)id + KEYS[i].offset);
}

static void set(char **at, const char *value)
{
    char *copy = str_empty(value) ? NULL : xstrdup(value);
    free(*at);
    *at = copy;
}

static void step(Identity *id);

static void on_timer(void *ctx)
{
    Identity *id = ctx;
    timer_stop(id->timer);
    id->timer = NULL;
    step(id);
}

static void step_after(Identity *id, uint64_t ms)
{
    timer_stop(id->timer);
    id->timer = timer_start(id->l, ms, 0, on_timer, id);
}

static void retry(Identity *id, const char *what, const char *why)
{
    uint64_t ms = 500 + backoff_next(&id->backoff);
    log_warn("identity", "this will be tried again", "what=%s err=%s again_ms=%llu",
             log_quote(what), log_quote(why), (unsigned long long)ms);
    step_after(id, ms);
}

static void set_state(Identity *id, IdentityState st)
{
    if (id->state == st)
        return;
    id->state = st;
    log_info("identity", "enrolment", "state=%s satellite=%s", identity_state_name(st),
             str_or(id->satellite_id, ""));
}

/* ---- the Secret ---- */

static void on_saved(void *ctx, const Error *err, const cJSON *obj)
{
    Identity *id = ctx;
    (void)obj;
    id->kube_call = NULL;
    if (err && err->code == ERR_EXISTS) { /* a satellite beside us made it: theirs counts */
        id->loaded = false;
        for (size_t i = 0; i < KEY_COUNT; i++)
            set(slot(id, i), NULL);
        step_after(id, 0);
    } else if (err) {
        retry(id, "write the identity Secret", err->msg);
    } else {
        backoff_reset(&id->backoff);
        step_after(id, 0);
    }
}

static cJSON *secret_data(Identity *id)
{
    cJSON *data = cJSON_CreateObject();
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (*slot(id, i))
            cJSON_AddStringToObject(data, KEYS[i].key, *slot(id, i));
    return data;
}

/* Write what we know, then go on with step(). */
static void save(Identity *id, bool create)
{
    if (create) {
        cJSON *s = tpl("{'metadata': {'name': '" IDENTITY_SECRET "', 'namespace': %s,"
                       " 'labels': {'app.kubernetes.io/managed-by': 'pg-swarm'}},"
                       " 'type': 'Opaque', 'stringData': %j}",
                       id->cfg->ns, secret_data(id));
        id->kube_call = kube_create(id->k, &KUBE_SECRET, id->cfg->ns, s, on_saved, id);
        cJSON_Delete(s);
        return;
    }
    cJSON *patch = tpl("{'stringData': %j}", secret_data(id));
    KubePatch kp = {id->cfg->ns, IDENTITY_SECRET, NULL, patch};
    id->kube_call = kube_merge_patch(id->k, &KUBE_SECRET, &kp, on_saved, id);
    cJSON_Delete(patch);
}

/* Keys of our own that are missing are made; false when OpenSSL cannot. */
static bool make_keys(Identity *id, Error *err)
{
    AUTO_ARENA a = arena_new();
    char *key, *text, *ca_key;
    if (!id->private_key || !id->csr) {
        if (x509_key_new(a, &key, err) || x509_csr_new(a, key, "pg-swarm-satellite", &text, err))
            return false;
        set(&id->private_key, key);
        set(&id->csr, text);
        set(&id->certificate, NULL); /* of another key */
    }
    if (!id->sidecar_ca || !id->sidecar_ca_key) {
        if (x509_ca_new(a, "pg-swarm satellite", SIDECAR_CA_DAYS, &text, &ca_key, err))
            return false;
        set(&id->sidecar_ca, text);
        set(&id->sidecar_ca_key, ca_key);
    }
    return true;
}

static void on_secret(void *ctx, const Error *err, const cJSON *obj)
{
    Identity *id = ctx;
    AUTO_ARENA a = arena_new();
    Error key_err;
    id->kube_call = NULL;
    if (err && err->code != ERR_NOT_FOUND) {
        retry(id, "read the identity Secret", err->msg);
        return;
    }
    for (size_t i = 0; obj && i < KEY_COUNT; i++) {
        const char *b64 = kube_str(obj, arena_printf(a, "data['%s']", KEYS[i].key));
        size_t n;
        set(slot(id, i), b64 ? (char *)base64_decode(a, b64, strlen(b64), &n) : NULL);
    }
    bool complete = id->private_key && id->csr && id->sidecar_ca && id->sidecar_ca_key;
    if (!complete && !make_keys(id, &key_err)) {
        retry(id, "make keys", key_err.msg);
        return;
    }
    id->loaded = true;
    if (complete)
        step_after(id, 0);
    else
        save(id, !obj);
}

static void on_version(void *ctx, const Error *err, int status, StrView body)
{
    Identity *id = ctx;
    id->kube_call = NULL;
    if (err || status != 200) {
        retry(id, "reach the Kubernetes API", err ? err->msg : "no version");
        return;
    }
    cJSON *v = cJSON_ParseWithLength(body.p, body.n);
    set(&id->kubernetes_version, str_or(kube_str(v, "gitVersion"), "unknown"));
    cJSON_Delete(v);
    step_after(id, 0);
}

/* ---- central ---- */

/* Whom to trust: the CA that central gave at enrolment, and the one of the settings. Both, so that
 * whoever replaces central's CA can do it by the settings, before or after. */
static ErrCode trusted(const Identity *id, Arena *a, const char **ret, Error *err)
{
    StrView pem;
    *ret = id->ca;
    if (str_empty(id->cfg->central_ca_file))
        return ERR_OK;
    if (file_read(a, id->cfg->central_ca_file, PEM_MAX, &pem, err)) {
        if (id->ca)
            return ERR_OK;
        return err_wrap(err, "central's CA");
    }
    *ret = id->ca ? arena_printf(a, "%s\n%s", id->ca, pem.p) : pem.p;
    return ERR_OK;
}

ErrCode identity_tls(const Identity *id, TlsCtx **ret, Error *err)
{
    static const char *const ALPN[] = {"h2", NULL};
    AUTO_ARENA a = arena_new();
    TlsConfig tls = {.verify = TLS_VERIFY_REQUIRED, .alpn = ALPN};
    if (id->cfg->central_plaintext) {
        *ret = NULL;
        return ERR_OK;
    }
    if (trusted(id, a, &tls.ca_pem, err))
        return err->code;
    if (id->certificate) {
        tls.cert_pem = id->certificate;
        tls.key_pem = id->private_key;
    }
    if (!tls.ca_pem && !str_empty(id->cfg->central_ca_sha256))
        tls.ca_sha256 = id->cfg->central_ca_sha256;
    return tls_client_new(&tls, ret, err);
}

static void hang_up(Identity *id)
{
    grpc_channel_free(id->channel);
    id->channel = NULL;
    tls_ctx_free(id->tls);
    id->tls = NULL;
}

static bool dial(Identity *id)
{
    Error err;
    hang_up(id);
    if (identity_tls(id, &id->tls, &err)) {
        retry(id, "prepare TLS to central", err.msg);
        return false;
    }
    id->channel = grpc_channel_new(
        id->l, &(GrpcChannelConfig){
                   .target = id->cfg->central_addr,
                   .tls = id->tls,
                   .server_name = str_empty(id->cfg->central_name) ? NULL : id->cfg->central_name});
    return true;
}

static uint64_t poll_ms(uint32_t asked)
{
    return asked < POLL_MIN_MS ? POLL_MIN_MS : asked > POLL_MAX_MS ? POLL_MAX_MS : asked;
}

static void on_registered(void *ctx, GrpcCode code, const char *message, StrView reply)
{
    Identity *id = ctx;
    AUTO_ARENA a = arena_new();
    RegisterResponse r;
    Error err;
    if (code != GRPC_OK) {
        retry(id, "register at central", message);
    } else if (wire_register_response_decode(a, reply, &r, &err) || !uuid_valid(r.satellite_id)) {
        retry(id, "register at central", "the answer is not one");
    } else {
        set(&id->satellite_id, r.satellite_id);
        set(&id->temp_token, r.temp_token);
        if (!str_empty(r.note))
            log_warn("identity", "the enrolment token did not admit us", "why=%s",
                     log_quote(r.note));
        save(id, false);
    }
}

/* Of the manifest's Secret, which may be gone by now. */
static const char *enrolment_token(const Identity *id, Arena *a)
{
    StrView text;
    if (str_empty(id->cfg->enrolment_token_file) ||
        file_read(a, id->cfg->enrolment_token_file, ENROLMENT_TOKEN_MAX, &text, NULL))
        return "";
    return sv_dup(a, sv_trim(sv_cut(&text, '\n')));
}

static void enrol(Identity *id)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF b = {0};
    set_state(id, IDENTITY_REGISTERING);
    if (!dial(id))
        return;
    RegisterRequest req = {.hostname = id->cfg->hostname,
                           .k8s_cluster_name = id->cfg->k8s_cluster,
                           .region = id->cfg->region,
                           .labels = id->cfg->labels,
                           .version = PGSWARM_VERSION,
                           .kubernetes_version = id->kubernetes_version,
                           .csr_pem = id->csr,
                           .enrolment_token = enrolment_token(id, a)};
    wire_register_request_encode(&req, &b);
    grpc_unary(
        id->channel,
        &(GrpcCallSpec){.path = "/pgswarm.v1.RegistrationService/Register", .timeout_ms = CALL_MS},
        sv_n(b.p, b.n), on_registered, id);
}

static void take_certificate(Identity *id, const ApprovalResponse *r)
{
    bool news = !str_eq(id->certificate, r->certificate_pem);
    id->ask_again = false;
    if (!news && id->state == IDENTITY_APPROVED) {
        step_after(id, HOUR_MS);
        return;
    }
    if (id->certificate)
        log_info("identity", "a new certificate", "renewed=%d", news);
    set(&id->certificate, r->certificate_pem);
    set(&id->ca, str_or(r->ca_pem, id->ca));
    set(&id->auth_token, r->auth_token);
    set(&id->name, r->name);
    save(id, false);
}

/* An answer that is none. A certificate in hand is kept: it may be good for long. */
static void on_approval_failed(Identity *id, GrpcCode code, const char *why)
{
    bool unknown =
        code == GRPC_UNAUTHENTICATED || code == GRPC_NOT_FOUND || code == GRPC_PERMISSION_DENIED;
    if (id->certificate) {
        log_warn("identity", "the certificate could not be looked after", "err=%s", log_quote(why));
        id->ask_again = false;
        step_after(id, HOUR_MS);
        return;
    }
    if (unknown) /* ask for admission again */
        set(&id->temp_token, NULL);
    retry(id, "ask central for approval", why);
}

static void on_approval(void *ctx, GrpcCode code, const char *message, StrView reply)
{
    Identity *id = ctx;
    AUTO_ARENA a = arena_new();
    ApprovalResponse r;
    Error err;
    if (code != GRPC_OK) {
        on_approval_failed(id, code, message);
        return;
    }
    if (wire_approval_response_decode(a, reply, &r, &err)) {
        on_approval_failed(id, GRPC_INTERNAL, err.msg);
        return;
    }
    backoff_reset(&id->backoff);
    if (r.state == APPROVAL_APPROVED && !str_empty(r.certificate_pem)) {
        take_certificate(id, &r);
    } else if (id->certificate) {
        log_warn("identity", "central has withdrawn its approval", "state=%s",
                 r.state == APPROVAL_REJECTED ? "rejected" : "pending");
        id->ask_again = false;
        step_after(id, HOUR_MS);
    } else if (r.state == APPROVAL_REJECTED) {
        set_state(id, IDENTITY_REJECTED);
        step_after(id, REJECTED_POLL_MS);
    } else {
        set_state(id, IDENTITY_PENDING);
        step_after(id, poll_ms(r.retry_after_ms));
    }
}

static void ask_approval(Identity *id)
{
    AUTO_STRBUF b = {0};
    if (!id->channel && !dial(id))
        return;
    ApprovalRequest req = {id->satellite_id, id->temp_token};
    wire_approval_request_encode(&req, &b);
    grpc_unary(id->channel,
               &(GrpcCallSpec){.path = "/pgswarm.v1.RegistrationService/CheckApproval",
                               .timeout_ms = CALL_MS},
               sv_n(b.p, b.n), on_approval, id);
}

/* Two thirds of its life are over. */
static bool is_due(const Identity *id)
{
    AUTO_ARENA a = arena_new();
    CertInfo info;
    if (x509_info(a, id->certificate, &info, NULL))
        return true;
    return clock_wall_us() > info.not_before_us + (info.not_after_us - info.not_before_us) / 3 * 2;
}

static void approved(Identity *id)
{
    if (id->state != IDENTITY_APPROVED) {
        hang_up(id);
        set_state(id, IDENTITY_APPROVED);
        id->ev.on_approved(id->ev.ctx);
    }
    if (id->temp_token && (id->ask_again || is_due(id)))
        ask_approval(id);
    else
        step_after(id, DAY_MS);
}

/* What is there says what comes next. */
static void step(Identity *id)
{
    if (!id->kubernetes_version) {
        id->kube_call =
            kube_raw(id->k, &(KubeRaw){.method = "GET", .path = "/version"}, on_version, id);
        return;
    }
    if (!id->loaded) {
        id->kube_call = kube_get(id->k, &KUBE_SECRET, id->cfg->ns, IDENTITY_SECRET, on_secret, id);
        return;
    }
    if (id->state == IDENTITY_LOADING) {
        set_state(id, IDENTITY_REGISTERING);
        id->ev.on_loaded(id->ev.ctx);
    }
    if (id->certificate && id->satellite_id) {
        approved(id);
    } else if (id->satellite_id && id->temp_token) {
        ask_approval(id);
    } else {
        enrol(id);
    }
}

/* ---- life ---- */

Identity *identity_start(Loop *l, Kube *k, const SatConfig *cfg, const IdentityEvents *ev)
{
    Identity *id = xnew(Identity);
    id->l = l;
    id->k = k;
    id->cfg = cfg;
    id->ev = *ev;
    id->backoff = (Backoff){.base_ms = 1000, .max_ms = 30000};
    step_after(id, 0);
    return id;
}

void identity_free(Identity *id)
{
    if (!id)
        return;
    timer_stop(id->timer);
    id->timer = NULL;
    kube_cancel(id->kube_call);
    hang_up(id);
    timer_stop(id->timer); /* a call that ended with the channel may have set it */
    for (size_t i = 0; i < KEY_COUNT; i++)
        free(*slot(id, i));
    free(id->kubernetes_version);
    free(id);
}

void identity_doubted(Identity *id)
{
    if (id->state != IDENTITY_APPROVED || id->ask_again || id->kube_call)
        return;
    id->ask_again = true;
    step_after(id, 0);
}

const char *identity_state_name(IdentityState s)
{
    static const char *const NAMES[] = {"loading", "registering", "pending", "rejected",
                                        "approved"};
    return NAMES[s];
}

IdentityState identity_state(const Identity *id)
{
    return id->state;
}
const char *identity_satellite_id(const Identity *id)
{
    return id->satellite_id;
}
const char *identity_auth_token(const Identity *id)
{
    return id->auth_token;
}
const char *identity_kubernetes_version(const Identity *id)
{
    return id->kubernetes_version;
}
const char *identity_sidecar_ca(const Identity *id)
{
    return id->sidecar_ca;
}
const char *identity_sidecar_ca_key(const Identity *id)
{
    return id->sidecar_ca_key;
}
