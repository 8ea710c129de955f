#include "sidecars/server.h"

#include "core/ident.h"
#include "model/kname.h"
#include "net/x509.h"
#include "sidecars/recent.h"
#include "wire/sidecar_stream.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDENTIFY_MS = 10000, CERT_DAYS = 825, MEMBER_MESSAGE_MAX = 1024 * 1024 };

struct SidecarServer {
    Loop *loop;
    Site *site;
    Registry reg;
    Recent recent;
    TlsCtx *tls;
    GrpcServer *grpc;
    GrpcMethod methods[2];
    Orders *orders;
    uint64_t next_id;
    bool freeing;
};

/* One stream. */
typedef struct Talk {
    SidecarServer *server;
    GrpcStream *s;
    Member *member; /* once it has said who it is */
    char *token;
    Timer *deadline; /* for its identity */
    bool ending;
} Talk;

static void end_talk(Talk *t, GrpcCode code, const char *why)
{
    if (t->ending)
        return;
    t->ending = true;
    grpc_stream_finish(t->s, code, why);
}

static void on_deadline(void *ctx)
{
    Talk *t = ctx;
    timer_stop(t->deadline);
    t->deadline = NULL;
    end_talk(t, GRPC_UNAUTHENTICATED, "the first message must be the identity");
}

static void on_open(void *ctx, GrpcStream *s)
{
    Talk *t = xnew(Talk);
    t->server = ctx;
    t->s = s;
    StrView auth = grpc_stream_meta(s, "authorization");
    if (sv_starts(auth, "Bearer "))
        t->token = xstrndup(auth.p + 7, auth.n - 7);
    t->deadline = timer_start(t->server->loop, IDENTIFY_MS, 0, on_deadline, t);
    grpc_stream_set_data(s, t);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    SidecarServer *srv = ctx;
    Talk *t = grpc_stream_data(s);
    (void)code;
    if (!t)
        return;
    timer_stop(t->deadline);
    if (t->member && !srv->freeing) {
        orders_stream_gone(srv->orders, s);
        Cluster *c = site_find(srv->site, t->member->ns, t->member->cluster);
        log_info("sidecars", "a sidecar has left", "pod=%s", t->member->key);
        if (registry_leave(&srv->reg, t->member, s) && c)
            srv->site->ev.on_health(srv->site->ev.ctx, c);
    }
    free(t->token);
    free(t);
}

static void send_down(SidecarServer *srv, GrpcStream *s, const SidecarDown *m)
{
    AUTO_STRBUF b = {0};
    (void)srv;
    wire_sidecar_down_encode(m, &b);
    grpc_stream_send(s, sv_n(strbuf_str(&b), b.n), NULL);
}

/* ---- identity ---- */

/* "prod-pg-2" is a member of prod-pg. */
static bool is_member_name(const char *pod, const char *cluster)
{
    size_t n = strlen(cluster);
    if (strncmp(pod, cluster, n) != 0 || pod[n] != '-' || !pod[n + 1])
        return false;
    for (const char *p = pod + n + 1; *p; p++)
        if (!isdigit((unsigned char)*p))
            return false;
    return true;
}

static bool check_identity(Talk *t, const SidecarIdentity *id, Cluster **ret)
{
    Cluster *c = site_find(t->server->site, str_or(id->ns, ""), str_or(id->cluster_name, ""));
    if (c && !c->token) {
        end_talk(t, GRPC_UNAVAILABLE, "this satellite has just started; try again");
        return false;
    }
    /* The same words for a cluster that is not there: nobody learns names by asking. */
    if (!c || !t->token || !secure_eq(t->token, c->token)) {
        end_talk(t, GRPC_UNAUTHENTICATED, "not the token of this cluster");
        return false;
    }
    const Pod *p = map_get(c->pods, id->pod_name);
    if (!is_member_name(id->pod_name, c->name) ||
        (p && !str_empty(id->pod_uid) && !str_eq(p->uid, id->pod_uid))) {
        end_talk(t, GRPC_PERMISSION_DENIED, "not a pod of this cluster");
        return false;
    }
    *ret = c;
    return true;
}

static void on_identity(Talk *t, const SidecarIdentity *id)
{
    Cluster *c;
    GrpcStream *old;
    if (!check_identity(t, id, &c)) {
        log_warn("sidecars", "a sidecar was turned away", "peer=%s pod=%s cluster=%s",
                 grpc_stream_peer(t->s), log_quote(id->pod_name), log_quote(id->cluster_name));
        return;
    }
    timer_stop(t->deadline);
    t->deadline = NULL;
    MemberName name = {c->ns, c->name, id->pod_name};
    t->member = registry_join(&t->server->reg, &name, t->s, &old);
    if (old)
        grpc_stream_finish(old, GRPC_ABORTED, "another sidecar of this pod has connected");
    grpc_stream_accept(t->s); /* not before: headers tell a sidecar that it is let in */
    log_info("sidecars", "a sidecar has connected", "pod=%s version=%s", t->member->key,
             log_quote(id->version));
}

/* ---- messages ---- */

static void on_health(Talk *t, const InstanceHealth *h)
{
    Site *site = t->server->site;
    Cluster *c = site_find(site, t->member->ns, t->member->cluster);
    bool news = registry_health(t->member, h, loop_now(t->server->loop));
    if (!c)
        return;
    Pod *p = map_get(c->pods, t->member->pod);
    if (p)
        p->reported = h->role;
    if (news)
        site->ev.on_health(site->ev.ctx, c);
}

static void on_event(Talk *t, const EventReport *e)
{
    Site *site = t->server->site;
    EventReport r = *e;
    r.cluster_name = t->member->cluster;
    r.ns = t->member->ns;
    r.pod_name = t->member->pod;
    r.source = str_empty(e->source) ? "sidecar" : e->source;
    /* Decisions are numbered, and one that comes again asks for its acknowledgement. */
    if (r.at_us > 0 && !str_eq(r.kind, DECISION_EVENT) && !recent_take(&t->server->recent, &r))
        return;
    if (r.at_us <= 0)
        r.at_us = clock_wall_us();
    site->ev.on_event(site->ev.ctx, &r);
}

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    SidecarServer *srv = ctx;
    Talk *t = grpc_stream_data(s);
    AUTO_ARENA a = arena_new();
    SidecarUp m;
    Error err;
    if (t->ending || (t->member && t->member->stream != s))
        return;
    if (wire_sidecar_up_decode(a, msg, &m, &err)) {
        end_talk(t, GRPC_INVALID_ARGUMENT, err.msg);
        return;
    }
    if (!t->member && m.kind != SIDECAR_UP_IDENTITY) {
        end_talk(t, GRPC_UNAUTHENTICATED, "the first message must be the identity");
        return;
    }
    switch (m.kind) {
    case SIDECAR_UP_IDENTITY:
        if (!t->member)
            on_identity(t, &m.identity);
        break;
    case SIDECAR_UP_HEARTBEAT:
        send_down(srv, s,
                  &(SidecarDown){.id = "",
                                 .kind = SIDECAR_DOWN_HEARTBEAT_ACK,
                                 .heartbeat_at_us = m.heartbeat_at_us});
        break;
    case SIDECAR_UP_HEALTH:
        on_health(t, &m.health);
        break;
    case SIDECAR_UP_EVENT:
        on_event(t, &m.event);
        break;
    case SIDECAR_UP_RESULT:
        orders_answer(srv->orders, m.id, &m.result);
        log_debug("sidecars", "a command was answered", "pod=%s id=%s success=%d err=%s",
                  t->member->key, log_quote(m.id), m.result.success, log_quote(m.result.error));
        break;
    case SIDECAR_UP_OTHER:
        log_debug("sidecars", "a message of a kind this version does not know", "pod=%s field=%d",
                  t->member->key, m.other);
        break;
    }
}

static void on_half_close(void *ctx, GrpcStream *s)
{
    Talk *t = grpc_stream_data(s);
    (void)ctx;
    if (t)
        end_talk(t, GRPC_OK, NULL);
}

/* ---- commands ---- */

static unsigned broadcast(SidecarServer *srv, const Cluster *c, SidecarDown m)
{
    unsigned n = 0;
    char id[24];
    for (MapIter it = {0}; map_next(srv->reg.members, &it);) {
        Member *mem = it.value;
        if (!mem->stream || !str_eq(mem->ns, c->ns) || !str_eq(mem->cluster, c->name))
            continue;
        snprintf(id, sizeof id, "s%" PRIu64, ++srv->next_id);
        m.id = id;
        send_down(srv, mem->stream, &m);
        n++;
    }
    return n;
}

unsigned sidecars_reload(SidecarServer *s, const Cluster *c)
{
    return s ? broadcast(s, c, (SidecarDown){.kind = SIDECAR_DOWN_RELOAD}) : 0;
}

unsigned sidecars_set_log_level(SidecarServer *s, const Cluster *c, const char *level)
{
    return s ? broadcast(s, c,
                         (SidecarDown){.kind = SIDECAR_DOWN_SET_LOG_LEVEL, .log_level = level})
             : 0;
}

void sidecars_decision_ack(SidecarServer *s, const char *ns, const DecisionRecord *upto)
{
    Member *m = s ? registry_find(&s->reg, ns, upto->member) : NULL;
    if (m && m->stream)
        send_down(s, m->stream,
                  &(SidecarDown){.id = "",
                                 .kind = SIDECAR_DOWN_DECISION_ACK,
                                 .decision_ack = {upto->chain, upto->number}});
}

void sidecars_order(SidecarServer *s, const OrderTo *to, const SidecarDown *cmd, OrderDone done,
                    void *ctx)
{
    const Member *mem = registry_find(&s->reg, to->ns, to->pod);
    GrpcStream *stream = mem ? mem->stream : NULL;
    SidecarDown m = *cmd;
    char id[24];
    orders_id(id, orders_add(s->orders, stream, to->timeout_ms, done, ctx));
    m.id = id;
    if (stream)
        send_down(s, stream, &m);
}

void sidecars_forget(SidecarServer *s, const void *ctx)
{
    if (s)
        orders_forget(s->orders, ctx);
}

const Registry *sidecars_registry(const SidecarServer *s)
{
    return s ? &s->reg : NULL;
}

const GrpcServerStats *sidecars_stats(const SidecarServer *s)
{
    return grpc_server_stats(s->grpc);
}

/* ---- start ---- */

static bool is_address(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host) || strchr(host, ':');
}

/* A certificate for this life; the CA stays, so sidecars need not be told. */
static ErrCode make_tls(const SidecarServerSpec *spec, TlsCtx **ret, Error *err)
{
    static const char *const ALPN[] = {"h2", NULL};
    AUTO_ARENA a = arena_new();
    StrView host = sv(spec->advertised);
    while (host.n && host.p[host.n - 1] != ':')
        host.n--;
    char *name = arena_strndup(a, host.p, host.n ? host.n - 1 : 0);
    const char *san[8] = {
        "DNS:localhost",
        "IP:127.0.0.1",
        "DNS:pg-swarm-satellite",
        arena_printf(a, "DNS:pg-swarm-satellite.%s", spec->ns),
        arena_printf(a, "DNS:pg-swarm-satellite.%s.svc", spec->ns),
        arena_printf(a, "%s:%s", is_address(name) ? "IP" : "DNS", name),
    };
    char *key, *csr, *cert;
    if (x509_key_new(a, &key, err) || x509_csr_new(a, key, "pg-swarm-satellite", &csr, err))
        return err->code;
    if (!*name)
        san[5] = NULL;
    CertRequest req = {.ca_cert_pem = spec->ca_pem,
                       .ca_key_pem = spec->ca_key_pem,
                       .csr_pem = csr,
                       .cn = "pg-swarm-satellite",
                       .san = san,
                       .days = CERT_DAYS,
                       .server = true};
    if (x509_sign(a, &req, &cert, err))
        return err->code;
    return tls_server_new(&(TlsConfig){.cert_pem = cert, .key_pem = key, .alpn = ALPN}, ret, err);
}

ErrCode sidecars_start(const SidecarServerSpec *spec, SidecarServer **ret, Error *err)
{
    SidecarServer *s = xnew(SidecarServer);
    s->loop = spec->loop;
    s->site = spec->site;
    registry_init(&s->reg);
    s->orders = orders_new(spec->loop);
    s->methods[0] = (GrpcMethod){
        .path = "/pgswarm.v1.SidecarStreamService/Connect",
        .handler = {.on_open = on_open,
                    .on_message = on_message,
                    .on_half_close = on_half_close,
                    .on_end = on_end},
        .ctx = s,
    };
    GrpcServerConfig cfg = {
        .addr = spec->listen, .methods = s->methods, .max_message = MEMBER_MESSAGE_MAX};
    if (make_tls(spec, &s->tls, err) == ERR_OK) {
        cfg.tls = s->tls;
        if (grpc_server_start(spec->loop, &cfg, &s->grpc, err) == ERR_OK) {
            grpc_server_set_serving(s->grpc, "", true);
            *ret = s;
            return ERR_OK;
        }
    }
    sidecars_free(s);
    return err_wrap(err, "server for sidecars");
}

void sidecars_free(SidecarServer *s)
{
    if (!s)
        return;
    s->freeing = true;
    grpc_server_free(s->grpc);
    tls_ctx_free(s->tls);
    registry_done(&s->reg);
    orders_free(s->orders);
    free(s);
}
