/* Questions to a satellite: a message down with an id, answers up with the same id. */
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include <stdio.h>
#include <stdlib.h>

enum { CREDENTIAL_MS = 10000, POD_LOG_FIRST_MS = 15000, QUESTIONS_MAX = 200 };

typedef struct Question {
    Session *x; /* NULL: answered or lost, told in the next turn */
    char key[24];
    UpKind kind; /* of the answer */
    Timer *timer;
    CredentialDone credential;
    PodLogFn log;
    void *ctx;
    Error err;
} Question;

struct PodLog {
    Question q;
};

static void question_close(Question *q)
{
    timer_stop(q->timer);
    q->timer = NULL;
    if (q->x)
        map_remove(q->x->questions, q->key);
    q->x = NULL;
}

static void question_fail(Question *q, const Error *err)
{
    Error copy = *err;
    question_close(q);
    if (q->kind == UP_CREDENTIAL)
        q->credential(q->ctx, &copy, NULL);
    else
        q->log(q->ctx, &copy, NULL);
    free(q);
}

static void on_timeout(void *ctx)
{
    Question *q = ctx;
    Error err;
    err_set(&err, ERR_TIMEOUT, "satellite '%s' did not answer in time", q->x->name);
    question_fail(q, &err);
}

static void tell_failed(void *ctx)
{
    Question *q = ctx;
    question_fail(q, &q->err);
}

static Question *question_new(Fleet *f, const char *satellite_id, UpKind kind, void *ctx)
{
    Question *q = xcalloc(1, sizeof(PodLog));
    Session *x = map_get(f->by_satellite, satellite_id);
    q->kind = kind;
    q->ctx = ctx;
    if (!x || !session_live(x))
        err_set(&q->err, ERR_UNAVAILABLE, "the satellite is not connected to this central");
    else if (map_count(x->questions) >= QUESTIONS_MAX)
        err_set(&q->err, ERR_EXHAUSTED, "satellite '%s' has %d questions to answer already",
                x->name, QUESTIONS_MAX);
    if (q->err.code)
        return q;
    q->x = x;
    snprintf(q->key, sizeof q->key, "q%llu", (unsigned long long)++x->next_question);
    map_put(x->questions, q->key, q);
    return q;
}

/* Sends, or fails in the next turn when it cannot. */
static void question_send(Fleet *f, Question *q, SatelliteDown *m, uint64_t timeout_ms)
{
    if (q->x) {
        Session *x = q->x;
        m->id = q->key;
        q->timer = timer_start(f->app->loop, timeout_ms, 0, on_timeout, q);
        session_send(x, m); /* when it fails, the end of the session answers */
        return;
    }
    q->timer = timer_start(f->app->loop, 0, 0, tell_failed, q);
}

void fleet_credentials(Fleet *f, const char *satellite_id, const char *ns, const char *cluster,
                       CredentialDone done, void *ctx)
{
    Question *q = question_new(f, satellite_id, UP_CREDENTIAL, ctx);
    q->credential = done;
    SatelliteDown m = {.kind = DOWN_CREDENTIAL, .credential = {.ns = ns, .cluster_name = cluster}};
    question_send(f, q, &m, CREDENTIAL_MS);
}

PodLog *fleet_pod_log(Fleet *f, const char *satellite_id, const PodLogRequest *req, PodLogFn fn,
                      void *ctx)
{
    Question *q = question_new(f, satellite_id, UP_POD_LOG, ctx);
    q->log = fn;
    SatelliteDown m = {.kind = DOWN_POD_LOG, .pod_log = *req};
    question_send(f, q, &m, POD_LOG_FIRST_MS);
    return (PodLog *)q;
}

void fleet_pod_log_cancel(PodLog *p)
{
    if (!p)
        return;
    Question *q = &p->q;
    Session *x = q->x;
    SatelliteDown m = {.id = q->key, .kind = DOWN_POD_LOG, .pod_log = {.cancel = true}};
    m.pod_log.ns = m.pod_log.pod_name = m.pod_log.container = "";
    question_close(q);
    if (x && session_live(x))
        session_send(x, &m);
    free(p);
}

ErrCode fleet_set_log_level(Fleet *f, const char *satellite_id, const char *level,
                            const char *target, Error *err)
{
    Session *x = map_get(f->by_satellite, satellite_id);
    LogLevel unused;
    if (!log_level_from_name(level, &unused))
        return err_set(err, ERR_INVALID, "level: '%s'; trace, debug, info, warn or error is right",
                       level);
    if (!x || !session_live(x))
        return err_set(err, ERR_UNAVAILABLE, "the satellite is not connected to this central");
    SatelliteDown m = {.id = "", .kind = DOWN_SET_LOG_LEVEL, .log_level = {level, target}};
    if (!session_send(x, &m))
        return err_set(err, ERR_UNAVAILABLE, "the satellite does not take more messages now");
    return ERR_OK;
}

/* ---- answers ---- */

static void answer_credential(Question *q, const CredentialReply *r)
{
    Error err;
    if (!str_empty(r->error)) {
        err_set(&err, ERR_PRECONDITION, "the site says: %s", r->error);
        question_fail(q, &err);
        return;
    }
    question_close(q);
    q->credential(q->ctx, NULL, r);
    free(q);
}

static void answer_log(Question *q, const PodLogChunk *c)
{
    Error err;
    if (!str_empty(c->error)) {
        err_set(&err, ERR_PRECONDITION, "the site says: %s", c->error);
        question_fail(q, &err);
        return;
    }
    if (!c->end) {
        timer_again(q->timer, UINT64_MAX); /* a followed log may be silent for long */
        q->log(q->ctx, NULL, c);           /* may cancel: q is not touched after it */
        return;
    }
    question_close(q);
    q->log(q->ctx, NULL, c);
    free(q);
}

void ask_answer(Session *x, const SatelliteUp *m)
{
    Question *q = map_get(x->questions, m->id);
    if (!q || q->kind != m->kind) {
        log_debug("fleet", "answer to no question", "satellite=%s id=%s", x->name,
                  log_quote(m->id));
        return;
    }
    if (m->kind == UP_CREDENTIAL)
        answer_credential(q, &m->credential);
    else
        answer_log(q, &m->pod_log);
}

void ask_end_all(Session *x)
{
    Error err;
    err_set(&err, ERR_UNAVAILABLE, "the link to satellite '%s' was lost", x->name);
    MapIter it = {0};
    while (map_next(x->questions, &it)) {
        question_fail(it.value, &err);
        it = (MapIter){0}; /* what was told may have asked or cancelled others */
    }
}
