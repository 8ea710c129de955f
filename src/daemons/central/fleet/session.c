#include "core/ident.h"
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include "net/x509.h"
#include "store/enrolment.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

void session_ref(Session *x)
{
    x->refs++;
}

static void remove_from_all(Session *x)
{
    for (size_t i = 0; i < x->f->all.n; i++)
        if (x->f->all.at[i] == x) {
            vec_remove(&x->f->all, i);
            return;
        }
}

void session_unref(Session *x)
{
    if (--x->refs)
        return;
    outbox_free(x);
    orders_free(x);
    map_free(x->questions);
    free(x->classes);
    free(x);
}

bool session_live(const Session *x)
{
    return x->s && x->state == SESSION_LIVE;
}

void session_end(Session *x, GrpcCode code, const char *why)
{
    if (!x->s || x->state == SESSION_ENDING)
        return;
    log_info("fleet", "ending a stream", "satellite=%s code=%d why=%s", log_quote(x->name),
             (int)code, log_quote(why));
    x->state = SESSION_ENDING;
    grpc_stream_resume(x->s);
    grpc_stream_finish(x->s, code, why);
}

bool session_send(Session *x, const SatelliteDown *m)
{
    AUTO_STRBUF b = {0};
    Error err;
    if (!x->s || x->state == SESSION_ENDING)
        return false;
    wire_down_encode(m, &b);
    if (!grpc_stream_send(x->s, sv_n(strbuf_str(&b), b.n), &err))
        return true;
    log_warn("fleet", "message not queued", "satellite=%s kind=%s err=%s", log_quote(x->name),
             down_kind_name(m->kind), log_quote(err.msg));
    return false;
}

static void on_stored(void *ctx, uint64_t sequence)
{
    Session *x = ctx;
    SatelliteDown ack = {.id = "", .kind = DOWN_EVENT_ACK, .event_sequence = sequence};
    session_send(x, &ack);
    if (x->s && x->events.n < EVENTS_WAIT_MAX / 2)
        grpc_stream_resume(x->s);
}

/* ---- admission ---- */

static const char NEWER[] = "a newer stream of this satellite took over";

/* Answers of the database come in any order: the epoch says which stream is the newer one. */
static bool take_over(Session *x)
{
    Session *old = map_get(x->f->by_satellite, x->id);
    if (old && old->epoch > x->epoch) {
        session_end(x, GRPC_ABORTED, NEWER);
        return false;
    }
    map_put(x->f->by_satellite, x->id, x);
    if (old)
        session_end(old, GRPC_ABORTED, NEWER);
    return true;
}

/* Who was revoked while the database answered: that news came before we knew whose stream it is. */
static void let_in(Session *x)
{
    grpc_stream_accept(x->s);
    grpc_stream_resume(x->s);
    fleet_check_states(x->f, x->id);
    log_info("fleet", "satellite connected", "satellite=%s peer=%s epoch=%lld", x->name, x->peer,
             (long long)x->epoch);
}

static void admitted(void *ctx, const Error *err, const Admitted *who)
{
    Session *x = ctx;
    App *app = x->f->app;
    if (err) {
        x->f->stats.refused++;
        log_info("fleet", "stream refused", "peer=%s err=%s", x->peer, log_quote(err->msg));
        if (x->s)
            session_end(x, (GrpcCode)err_grpc(err->code), err->msg);
    } else if (!x->s || x->state != SESSION_ADMITTING) {
        enrol_leave(app, who->id, who->epoch, NULL, NULL); /* it went away meanwhile */
    } else {
        snprintf(x->id, sizeof x->id, "%s", who->id);
        snprintf(x->name, sizeof x->name, "%s", who->name);
        x->epoch = who->epoch;
        x->state = SESSION_HELLO;
        x->heard_ms = loop_now(app->loop);
        events_init(&x->events, app, x->id, (uint64_t)who->last_event_seq, on_stored, x);
        if (take_over(x))
            let_in(x);
    }
    session_unref(x);
}

/* The certificate was verified against our CA in the handshake; its name says who it is. */
static ErrCode by_certificate(Session *x, Arena *a, AdmitAsk *ask, Error *err)
{
    CertInfo info;
    const char *pem = grpc_stream_peer_cert(x->s);
    if (!pem)
        return err_set(err, ERR_UNAUTHENTICATED, "a client certificate of this central is needed");
    if (x509_info(a, pem, &info, err))
        return err->code;
    if (!uuid_valid(info.subject_cn))
        return err_set(err, ERR_UNAUTHENTICATED, "the certificate is not a satellite's");
    ask->satellite_id = info.subject_cn;
    return ERR_OK;
}

static ErrCode by_token(const Session *x, unsigned char sha[32], AdmitAsk *ask, Error *err)
{
    StrView v = grpc_stream_meta(x->s, "authorization");
    if (v.n < 7 || strncasecmp(v.p, "bearer ", 7) != 0)
        return err_set(err, ERR_UNAUTHENTICATED, "authorization: Bearer TOKEN is needed");
    crypto_hash_sha256(sha, (const unsigned char *)v.p + 7, v.n - 7);
    ask->token_sha256 = sha;
    return ERR_OK;
}

static Session *session_new(Fleet *f, GrpcStream *s, bool plaintext)
{
    Session *x = xnew(Session);
    x->f = f;
    x->s = s;
    x->plaintext = plaintext;
    x->refs = 1; /* the stream's */
    x->sent = map_new();
    x->orders = map_new();
    x->questions = map_new();
    x->opened_ms = x->heard_ms = loop_now(f->app->loop);
    snprintf(x->peer, sizeof x->peer, "%s", grpc_stream_peer(s));
    vec_push(&f->all, x);
    grpc_stream_set_data(s, x);
    return x;
}

static void open_stream(Fleet *f, GrpcStream *s, bool plaintext)
{
    AUTO_ARENA a = arena_new();
    Session *x = session_new(f, s, plaintext);
    AdmitAsk ask = {.peer = x->peer};
    unsigned char sha[32];
    Error err;
    ErrCode rc = plaintext ? by_token(x, sha, &ask, &err) : by_certificate(x, a, &ask, &err);
    f->stats.streams++;
    if (rc) {
        f->stats.refused++;
        session_end(x, (GrpcCode)err_grpc(err.code), err.msg);
        return;
    }
    grpc_stream_pause(s); /* nothing is read before we know who sends it */
    session_ref(x);
    enrol_admit(f->app, &ask, admitted, x);
}

static void on_open_tls(void *ctx, GrpcStream *s)
{
    open_stream(ctx, s, false);
}

static void on_open_plain(void *ctx, GrpcStream *s)
{
    open_stream(ctx, s, true);
}

/* ---- the stream's life ---- */

static void on_message(void *ctx, GrpcStream *s, StrView msg)
{
    Session *x = grpc_stream_data(s);
    (void)ctx;
    if (x->state == SESSION_ENDING)
        return;
    x->heard_ms = loop_now(x->f->app->loop);
    x->heard = true;
    inbox_message(x, msg);
}

static void on_half_close(void *ctx, GrpcStream *s)
{
    (void)ctx;
    session_end(grpc_stream_data(s), GRPC_OK, NULL);
}

static void on_drain(void *ctx, GrpcStream *s)
{
    Session *x = grpc_stream_data(s);
    (void)ctx;
    if (x->state == SESSION_LIVE && x->look_again)
        outbox_look(x);
}

static void on_end(void *ctx, GrpcStream *s, GrpcCode code)
{
    Fleet *f = ctx;
    Session *x = grpc_stream_data(s);
    x->s = NULL;
    remove_from_all(x);
    if (*x->id) {
        log_info("fleet", "satellite disconnected", "satellite=%s code=%d", x->name, (int)code);
        if (map_get(f->by_satellite, x->id) == x)
            map_remove(f->by_satellite, x->id);
        enrol_leave(f->app, x->id, x->epoch, NULL, NULL);
        events_done(&x->events);
    }
    ask_end_all(x);
    outbox_done(x);
    orders_done(x);
    session_unref(x);
}

const GrpcHandler session_tls = {on_open_tls, on_message, on_half_close, on_drain, on_end};
const GrpcHandler session_plain = {on_open_plain, on_message, on_half_close, on_drain, on_end};
