#include "operator/reconcile.h"

#include "render/tpl.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
    MAX_PASSES = 4, /* at a time: bounds memory, and what the API server gets at once */
    STEP_TRIES = 8, /* of a step, when the API server merely failed */
    STEP_AGAIN_MS = 100,
    STEP_AGAIN_MAX_MS = 2000,
    RECHECK_MS = 500, /* after a pass, until the watches have told of its writes */
    REFUSED_BASE_MS = 10000,
    REFUSED_MAX_MS = 300000,
};

/* ---- acknowledgements ---- */

static void ack(Cluster *c, AckResult result, int64_t version, const char *error)
{
    ConfigAck a = {
        .cluster_id = str_or(c->cluster_id, ""),
        .name = c->name,
        .ns = c->ns,
        .config_version = version,
        .applied_version = c->applied_version,
        .result = result,
        .error = str_or(error, ""),
    };
    c->told_version = version;
    c->told_result = result;
    set_string(&c->told_error, error);
    c->site->ev.on_ack(c->site->ev.ctx, &a);
}

static bool was_told(const Cluster *c, AckResult result, int64_t version, const char *error)
{
    return c->told_version == version && c->told_result == result &&
           str_eq(str_or(c->told_error, ""), str_or(error, ""));
}

static void tell_refused(Cluster *c, int64_t version, const char *why)
{
    if (was_told(c, ACK_REFUSED, version, why))
        return;
    c->site->stats.refusals++;
    log_warn("operator", "refused", "cluster=%s version=%" PRId64 " why=%s", c->key, version,
             log_quote(why));
    site_event(c->site, c, &(EventSpec){SEV_WARNING, "config.refused", NULL, why});
    ack(c, ACK_REFUSED, version, why);
}

/* What keeps its pods from running though every object was taken; NULL: nothing. */
static char *runtime_refusal(Arena *a, const Cluster *c)
{
    if (c->quota_problem)
        return arena_strdup(a, c->quota_problem);
    const Pod *worst = NULL;
    for (MapIter it = {0}; map_next(c->pods, &it);) {
        const Pod *p = it.value;
        if (p->refused && p->problem && (!worst || strcmp(p->name, worst->name) < 0))
            worst = p;
    }
    return worst ? arena_printf(a, "pod %s: %s", worst->name, worst->problem) : NULL;
}

void operator_review(Cluster *c)
{
    AUTO_ARENA a = arena_new();
    if (!c->has_spec || c->deleting || c->pass || c->problem || c->site->suspended ||
        c->applied_version != c->spec.config_version)
        return;
    char *why = runtime_refusal(a, c);
    if (why && c->told_result == ACK_REFUSED && c->told_version == c->spec.config_version)
        return; /* told already, perhaps in other words */
    if (why)
        tell_refused(c, c->spec.config_version, why);
    else if (!was_told(c, ACK_APPLIED, c->spec.config_version, NULL))
        ack(c, ACK_APPLIED, c->spec.config_version, NULL);
}

/* ---- one pass ---- */

static void drop_queue(Pass *p)
{
    for (size_t i = p->applied; i < p->queued; i++)
        cJSON_Delete(p->queue[i].obj);
    p->applied = p->queued = 0;
}

static void pass_free(Pass *p)
{
    Cluster *c = p->c;
    kube_cancel(p->call);
    timer_stop(p->timer);
    drop_queue(p);
    arena_free(p->a);
    free(p);
    c->pass = NULL;
    c->site->running--;
}

static const PassStep *steps_of(const Pass *p)
{
    return p->c->deleting ? delete_steps : reconcile_steps;
}

static void start_waiting(Site *s)
{
    for (MapIter it = {0}; map_next(s->clusters, &it) && s->running < MAX_PASSES;) {
        Cluster *c = it.value;
        if (c->dirty && !c->pass && !c->timer)
            operator_touch(c, 0);
    }
}

static void on_recheck(void *ctx)
{
    Cluster *c = ctx;
    timer_stop(c->timer);
    c->timer = NULL;
    if (has_drift(c))
        operator_touch(c, 0);
}

static void applied(Cluster *c, bool config_changed)
{
    bool news = c->applied_version != c->spec.config_version;
    c->applied_version = c->spec.config_version;
    c->refused = false;
    set_string(&c->problem, NULL);
    backoff_reset(&c->backoff);
    if (news) {
        log_info("operator", "applied", "cluster=%s version=%" PRId64, c->key, c->applied_version);
        site_event(c->site, c,
                   &(EventSpec){SEV_INFO, "config.applied", NULL, "the configuration is in force"});
    }
    if (config_changed)
        c->site->ev.on_config(c->site->ev.ctx, c);
    operator_review(c);
}

static void deleted(Cluster *c)
{
    Site *s = c->site;
    c->deleting = c->delete_begun = false;
    c->applied_version = 0;
    c->deleted_version = c->delete_version;
    site_event(s, c, &(EventSpec){SEV_INFO, "cluster.deleted", NULL, "removed from this site"});
    log_info("operator", "deleted", "cluster=%s volumes=%s", c->key,
             c->delete_volumes ? "deleted" : "kept");
    ack(c, ACK_DELETED, c->delete_version, NULL);
    if (c->has_spec && c->spec.config_version > c->delete_version)
        operator_touch(c, 0); /* a new one of the same name was asked for meanwhile */
    else
        cluster_forget(c);
}

static void pass_done(Pass *p)
{
    Cluster *c = p->c;
    Site *s = c->site;
    bool config_changed = p->config_changed, dirty = c->dirty, deleting = c->deleting;
    bool newer = !deleting && p->version != c->spec.config_version;
    pass_free(p);
    c->dirty = false;
    if (deleting) {
        deleted(c);
    } else if (newer) {
        operator_touch(c, 0);
    } else {
        applied(c, config_changed);
        if (dirty && !c->timer)
            c->timer = timer_start(s->loop, RECHECK_MS, 0, on_recheck, c);
        s->ev.on_health(s->ev.ctx, c);
    }
    start_waiting(s);
}

void pass_next(Pass *p)
{
    const PassStep *step = &steps_of(p)[p->step++];
    p->item = 0;
    p->tries = 0;
    if (!step->name) {
        pass_done(p);
        return;
    }
    log_trace("operator", "step", "cluster=%s step=%s", p->c->key, step->name);
    step->run(p);
}

/* The API server (or we) said no: asking again at once would bring the same answer. */
static bool is_refusal(ErrCode code)
{
    return code == ERR_INVALID || code == ERR_FORBIDDEN || code == ERR_MALFORMED ||
           code == ERR_PRECONDITION || code == ERR_EXISTS || code == ERR_UNSUPPORTED ||
           code == ERR_METHOD || code == ERR_TOO_LARGE;
}

static void on_step_again(void *ctx)
{
    Pass *p = ctx;
    timer_stop(p->timer);
    p->timer = NULL;
    steps_of(p)[p->step - 1].run(p);
}

/* A step may be run again from its beginning: one failed call must not cost the steps before it. */
static bool step_again(Pass *p, const Error *err, const char *what)
{
    if (is_refusal(err->code) || ++p->tries >= STEP_TRIES)
        return false;
    Backoff b = {.base_ms = STEP_AGAIN_MS, .max_ms = STEP_AGAIN_MAX_MS, .n = p->tries};
    log_debug("operator", "a call failed; once more", "cluster=%s step=%s object=%s err=%s",
              p->c->key, steps_of(p)[p->step - 1].name, log_quote(str_or(what, "")),
              log_quote(err->msg));
    drop_queue(p);
    p->item = 0;
    timer_stop(p->timer);
    p->timer = timer_start(p->c->site->loop, STEP_AGAIN_MS + backoff_next(&b), 0, on_step_again, p);
    return true;
}

/* A delete that was refused before anything was removed is void: the cluster is kept as it should
 * be, and the wish cannot come true later, when the protection is switched off for another reason.
 */
static void void_delete(Cluster *c)
{
    c->deleting = c->refused = false;
    set_string(&c->problem, NULL);
    c->told_version = c->applied_version; /* nothing new is to be told of the config in force */
    c->told_result = ACK_APPLIED;
    set_string(&c->told_error, NULL);
}

void pass_fail(Pass *p, const Error *err, const char *what)
{
    if (step_again(p, err, what))
        return;
    Cluster *c = p->c;
    Site *s = c->site;
    const char *step = steps_of(p)[p->step ? p->step - 1 : 0].name;
    bool refused = is_refusal(err->code),
         newer = !c->deleting && p->version != c->spec.config_version;
    int64_t version = c->deleting ? c->delete_version : p->version;
    char *text = xasprintf("%s%s%s", str_or(what, ""), str_empty(what) ? "" : ": ", err->msg);
    if (refused != c->refused || !c->problem)
        backoff_reset(&c->backoff);
    c->backoff.base_ms = refused ? REFUSED_BASE_MS : 1000;
    c->backoff.max_ms = refused ? REFUSED_MAX_MS : 30000;
    uint64_t delay =
        refused ? REFUSED_BASE_MS / 2 + backoff_next(&c->backoff) : 100 + backoff_next(&c->backoff);
    s->stats.passes_failed++;
    log_warn("operator", refused ? "a step was refused" : "a step failed",
             "cluster=%s step=%s err=%s again_ms=%" PRIu64, c->key, step ? step : "",
             log_quote(text), delay);
    pass_free(p);
    c->refused = refused;
    set_string(&c->problem, text);
    c->dirty = false;
    if (refused && !newer)
        tell_refused(c, version, text);
    if (refused && c->deleting && !c->delete_begun) {
        void_delete(c);
        delay = 0;
    }
    free(text);
    operator_touch(c, newer ? 0 : delay);
    s->ev.on_health(s->ev.ctx, c);
    start_waiting(s);
}

/* ---- the queue of a step ---- */

void pass_queue(Pass *p, const KubeKind *kind, cJSON *obj)
{
    if (p->queued == sizeof p->queue / sizeof *p->queue)
        BUG("a step with more than %zu objects", p->queued);
    p->queue[p->queued].kind = kind;
    p->queue[p->queued++].obj = obj;
}

static void on_mended(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    (void)obj;
    p->call = NULL;
    if (err)
        pass_fail(p, err, arena_printf(p->a, "Service %s", kube_str(p->mended, "metadata.name")));
    else
        pass_apply_queue(p);
}

/* Ports are merged by their number: who edits a number by hand leaves a port of theirs, and ours
 * beside it would have the same name. So the whole list is put back, once, and then applied. */
static bool mend_ports(Pass *p, const KubeKind *kind, const cJSON *sent, const Error *err)
{
    if (kind != &KUBE_SERVICE || err->code != ERR_INVALID || p->mended == sent)
        return false;
    p->mended = sent;
    cJSON *patch =
        tpl("{'spec': {'ports': %j}}", cJSON_Duplicate(kube_at(sent, "spec.ports"), true));
    KubePatch kp = {p->c->ns, kube_str(sent, "metadata.name"), NULL, patch};
    p->call = kube_merge_patch(p->c->site->kube, kind, &kp, on_mended, p);
    cJSON_Delete(patch);
    return true;
}

static void on_applied(void *ctx, const Error *err, const cJSON *obj)
{
    Pass *p = ctx;
    const KubeKind *kind = p->queue[p->applied].kind;
    cJSON *sent = p->queue[p->applied].obj;
    p->call = NULL;
    if (err && mend_ports(p, kind, sent, err))
        return;
    if (err) {
        char *what = arena_printf(p->a, "%s %s", kind->kind, kube_str(sent, "metadata.name"));
        pass_fail(p, err, what);
        return;
    }
    mark_own(p->c, kind, obj);
    p->c->site->stats.writes++;
    cJSON_Delete(sent);
    p->applied++;
    pass_apply_queue(p);
}

void pass_apply_queue(Pass *p)
{
    if (p->applied == p->queued) {
        p->applied = p->queued = 0;
        pass_next(p);
        return;
    }
    p->call = kube_apply(p->c->site->kube, p->queue[p->applied].kind, p->queue[p->applied].obj,
                         true, on_applied, p);
}

/* ---- when passes run ---- */

static void start_pass(Cluster *c)
{
    Site *s = c->site;
    if (s->suspended || !site_ready(s) || c->pass || (!c->has_spec && !c->deleting))
        return;
    if (s->running >= MAX_PASSES) {
        c->dirty = true;
        return;
    }
    c->dirty = false;
    Pass *p = xnew(Pass);
    p->c = c;
    p->a = arena_new();
    p->version = c->spec.config_version;
    if (c->has_spec) {
        /* Its own copy: a newer config may arrive while this one is being made so. */
        ClusterSpec *spec = arena_new_of(p->a, ClusterSpec);
        *spec = cluster_spec_dup(p->a, &c->spec);
        p->in = (RenderInput){.spec = spec,
                              .service_type = s->cfg->service_type,
                              .sidecar_image = s->cfg->sidecar_image,
                              .satellite_addr = s->satellite_addr,
                              .satellite_ca_pem = s->satellite_ca_pem};
    }
    c->pass = p;
    s->running++;
    s->stats.passes++;
    pass_next(p);
}

static void on_timer(void *ctx)
{
    Cluster *c = ctx;
    timer_stop(c->timer);
    c->timer = NULL;
    start_pass(c);
}

void operator_touch(Cluster *c, uint64_t delay_ms)
{
    if (c->site->suspended)
        return;
    if (c->pass) {
        c->dirty = true;
        return;
    }
    timer_stop(c->timer);
    c->timer = timer_start(c->site->loop, delay_ms, 0, on_timer, c);
}

void operator_stop(Cluster *c)
{
    if (c->pass)
        pass_free(c->pass);
    timer_stop(c->timer);
    c->timer = NULL;
}

void operator_retry_refused(Site *s)
{
    for (MapIter it = {0}; map_next(s->clusters, &it);) {
        Cluster *c = it.value;
        if (c->problem && c->refused && !c->pass)
            operator_touch(c, 0);
    }
}

/* ---- from central ---- */

void operator_config(Site *s, const ClusterSpec *spec)
{
    AUTO_ARENA a = arena_new();
    Error err;
    if (s->suspended)
        return;
    Cluster *c = site_cluster(s, spec->ns, spec->name);
    set_string(&c->cluster_id, spec->cluster_id);
    FieldErrors errs = field_errors(a);
    cluster_spec_validate(a, spec, &errs);
    if (spec->config_version <= c->applied_version || spec->config_version <= c->deleted_version ||
        (c->deleting && spec->config_version <= c->delete_version) ||
        (c->has_spec && spec->config_version < c->spec.config_version)) {
        log_debug("operator", "not newer than what is in force; skipped",
                  "cluster=%s version=%" PRId64 " applied=%" PRId64, c->key, spec->config_version,
                  c->applied_version);
        ack(c, ACK_SKIPPED, spec->config_version, NULL);
        return;
    }
    c->told_version = 0; /* asked (again): answer (again) */
    if (field_errors_result(&errs, &err)) {
        tell_refused(c, spec->config_version, err.msg);
        return;
    }
    if (!c->has_spec || spec->config_version > c->spec.config_version)
        cluster_set_spec(c, spec);
    if (c->deleting && !c->delete_begun) {
        /* The delete was refused, and central wants the cluster after it: that wish is void. It
         * must not come true later, when the protection is switched off. */
        operator_stop(c);
        c->deleting = false;
        c->refused = false;
        set_string(&c->problem, NULL);
    }
    backoff_reset(&c->backoff);
    operator_touch(c, 0);
    s->ev.on_health(s->ev.ctx, c);
}

void operator_delete(Site *s, const ClusterDelete *del)
{
    if (s->suspended)
        return;
    Cluster *c = site_cluster(s, del->ns, del->name);
    set_string(&c->cluster_id, del->cluster_id);
    c->told_version = 0;
    if (c->has_spec && c->spec.config_version > del->config_version) {
        ack(c, ACK_SKIPPED, del->config_version, NULL);
        return;
    }
    if (c->deleting && c->pass) {
        c->delete_version = del->config_version; /* the same wish again: answered at its end */
        return;
    }
    operator_stop(c);
    c->delete_begun = c->deleting && c->delete_begun;
    c->deleting = true;
    c->delete_volumes = del->delete_volumes;
    c->delete_version = del->config_version;
    backoff_reset(&c->backoff);
    operator_touch(c, 0);
    s->ev.on_health(s->ev.ctx, c);
}
