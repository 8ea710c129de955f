/* Partitions: which packets of which pods are dropped. The rules follow from the faults and from
 * the addresses that pods have now; the kernel is told on a thread of the pool, one round at a
 * time.
 */
#include "faults/parts.h"

#include "core/log.h"
#include "core/map.h"
#include "netns/netcut.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { POD_RULES = 64 };

typedef struct CutPod {
    char *name;
    int ns_fd;
    NetRule rules[POD_RULES];
    size_t n;
} CutPod;

typedef struct Waiter {
    void (*done)(void *ctx, const Error *err);
    void *ctx;
} Waiter;

struct Cuts {
    Faults *f;
    Map *cut; /* uid of pods that have rules */
    VEC(CutPod *) round;
    VEC(Waiter) waiting, served; /* served: by the round under way */
    int home;
    Error err;
    bool busy, again, gone;
};

struct Cuts *cuts_new(Faults *f)
{
    struct Cuts *c = xnew(struct Cuts);
    c->f = f;
    c->cut = map_new();
    return c;
}

/* ---- what a fault means for one pod ---- */

static void add(CutPod *c, NetRule r)
{
    if (c->n < POD_RULES)
        c->rules[c->n++] = r;
}

static const char *label(const Obj *o, const char *key)
{
    return str_or(cJSON_GetStringValue(js_get(js_at(o->json, "metadata.labels"), key)), "");
}

typedef struct Cutting {
    Faults *f;
    Arena *a;
    Pod *pod;
    CutPod *out;
    const Obj **pods; /* of the site */
} Cutting;

static uint32_t pod_addr(Faults *f, const Obj *o)
{
    const Pod *p = kubelet_pod(f->app, o->uid);
    return p && p->net ? podnet_ip(p->net) : 0;
}

/* Every other pod of the same cluster. */
static void rule_peers(Cutting *k, bool accept)
{
    const char *cluster = label(k->pod->obj, FAULT_LABEL_CLUSTER);
    for (const Obj **o = k->pods; *o; o++) {
        uint32_t addr = pod_addr(k->f, *o);
        if (addr && !str_eq((*o)->uid, k->pod->uid) && str_eq((*o)->ns, k->pod->ns) && *cluster &&
            str_eq(label(*o, FAULT_LABEL_CLUSTER), cluster))
            add(k->out, (NetRule){.accept = accept, .addr = addr});
    }
}

static uint32_t gateway(const Faults *f)
{
    uint32_t ip = 0;
    ip_parse(f->app->net.gateway, &ip);
    return ip;
}

static void rule_service(Cutting *k, const Obj *svc)
{
    uint32_t addr;
    if (svc && ip_parse(js_str(svc->json, "spec.clusterIP"), &addr))
        add(k->out, (NetRule){.addr = addr});
}

static void rule_api(Cutting *k)
{
    add(k->out, (NetRule){.addr = gateway(k->f), .port = (uint16_t)k->f->app->net.api_port});
    rule_service(k, store_get(k->f->app->store, k->a, K(SERVICE), "default", "kubernetes"));
}

static void rule_central(Cutting *k)
{
    const AppConfig *cfg = &k->f->app->cfg;
    for (size_t i = 0; i < cfg->forward_count; i++)
        add(k->out, (NetRule){.addr = gateway(k->f), .port = (uint16_t)cfg->forwards[i].port});
}

static void rule_satellite(Cutting *k)
{
    for (const Obj **o = k->pods; *o; o++) {
        uint32_t addr = pod_addr(k->f, *o);
        if (addr && str_eq(label(*o, FAULT_LABEL_APP), FAULT_SATELLITE))
            add(k->out, (NetRule){.addr = addr});
    }
    const StoreQuery q = {.kind = K(SERVICE)};
    for (const Obj **s = store_list(k->f->app->store, k->a, &q, NULL); *s; s++) {
        const cJSON *sel = js_at((*s)->json, "spec.selector");
        if (str_eq(cJSON_GetStringValue(js_get(sel, FAULT_LABEL_APP)), FAULT_SATELLITE))
            rule_service(k, *s);
    }
}

/* A port that the node's probes ask: they come from the machine itself, which no cut wire keeps
 * them from. */
static bool is_probed(const Pod *p, int64_t port)
{
    static const char *const probes[] = {"startupProbe", "readinessProbe", "livenessProbe"};
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < 3; k++) {
            const cJSON *get = js_get(js_get(p->ctrs[i].spec, probes[k]), "httpGet");
            if (get && js_int(get, "port", 0) == port)
                return true;
        }
    return false;
}

static void each_port(Cutting *k, bool probed, bool accept)
{
    for (size_t i = 0; i < k->pod->n; i++) {
        const cJSON *port;
        js_each(port, js_get(k->pod->ctrs[i].spec, "ports"))
        {
            int64_t nr = js_int(port, "containerPort", 0);
            if (is_probed(k->pod, nr) == probed)
                add(k->out, (NetRule){.accept = accept, .port = (uint16_t)nr, .own_port = true});
        }
    }
}

static void rule_clients(Cutting *k)
{
    rule_peers(k, true);
    each_port(k, false, false);
}

static void rule_all(Cutting *k)
{
    each_port(k, true, true);
    add(k->out, (NetRule){0});
}

static void rule_drop_peers(Cutting *k)
{
    rule_peers(k, false);
}

/* In the order in which they must stand: what lets something pass comes behind all that drops. */
static const struct {
    const char *word;
    void (*rule)(Cutting *k);
} words[] = {
    {"api", rule_api},          {"central", rule_central}, {"satellite", rule_satellite},
    {"peers", rule_drop_peers}, {"clients", rule_clients}, {"all", rule_all},
};
enum { WORDS = sizeof words / sizeof *words };

static bool is_word(const char *from)
{
    for (size_t i = 0; i < WORDS; i++)
        if (str_eq(words[i].word, from))
            return true;
    return false;
}

static bool cut_from(const Cutting *k, const char *word)
{
    for (size_t i = 0; i < k->f->list.n; i++) {
        const Fault *x = k->f->list.at[i];
        if (x->kind == FAULT_PARTITION && str_eq(x->ns, k->pod->ns) &&
            str_eq(x->pod, k->pod->name) && str_eq(x->arg, word))
            return true;
    }
    return false;
}

static void rules_of(Cutting *k)
{
    for (const Obj **o = k->pods; *o; o++) { /* from a pod, by its name */
        uint32_t addr = pod_addr(k->f, *o);
        if (addr && str_eq((*o)->ns, k->pod->ns) && cut_from(k, (*o)->name))
            add(k->out, (NetRule){.addr = addr});
    }
    for (size_t i = 0; i < WORDS; i++)
        if (cut_from(k, words[i].word))
            words[i].rule(k);
}

/* ---- a round: all pods that are cut, or were ---- */

static void cutpod_free(CutPod *c)
{
    if (c->ns_fd >= 0)
        close(c->ns_fd);
    free(c->name);
    free(c);
}

static void prepare(struct Cuts *c, Arena *a, const Obj **pods, const Obj *o)
{
    Pod *p = kubelet_pod(c->f->app, o->uid);
    if (!p || !p->net)
        return;
    CutPod *out = xnew(CutPod);
    Cutting k = {c->f, a, p, out, pods};
    rules_of(&k);
    bool was = map_get(c->cut, o->uid) != NULL;
    out->name = xstrdup(p->name);
    out->ns_fd = fcntl(podnet_netns_fd(p->net), F_DUPFD_CLOEXEC, 3);
    if (out->ns_fd < 0 || (!out->n && !was)) {
        cutpod_free(out);
        return;
    }
    if (out->n)
        map_put(c->cut, o->uid, c);
    else
        map_remove(c->cut, o->uid);
    vec_push(&c->round, out);
}

static void work(void *ctx)
{
    struct Cuts *c = ctx;
    for (size_t i = 0; i < c->round.n; i++) {
        CutPod *p = c->round.at[i];
        Error err;
        if (netcut_apply(p->ns_fd, c->home, p->rules, p->n, &err) && !c->err.code)
            c->err = err, err_wrap(&c->err, "pod %s", p->name);
    }
}

static void start_round(struct Cuts *c);

static void over(void *ctx)
{
    struct Cuts *c = ctx;
    Error err = c->err;
    c->busy = false;
    for (size_t i = 0; i < c->round.n; i++)
        cutpod_free(c->round.at[i]);
    c->round.n = 0;
    if (c->gone) {
        cuts_free(c);
        return;
    }
    if (err.code)
        log_warn("faults", "packet filters not set", "error=%s", log_quote(err.msg));
    for (size_t i = 0; i < c->served.n; i++)
        c->served.at[i].done(c->served.at[i].ctx, err.code ? &err : NULL);
    c->served.n = 0;
    if (c->again)
        start_round(c);
}

static void start_round(struct Cuts *c)
{
    AUTO_ARENA a = arena_new();
    const Obj **pods = store_list(c->f->app->store, a, &(StoreQuery){.kind = K(POD)}, NULL);
    c->busy = true;
    c->again = false;
    c->err.code = ERR_OK;
    for (size_t i = 0; i < c->waiting.n; i++)
        vec_push(&c->served, c->waiting.at[i]);
    c->waiting.n = 0;
    c->home = sitenet_netns_fd(kubelet_sitenet(c->f->app->kubelet));
    for (const Obj **o = pods; *o; o++)
        prepare(c, a, pods, *o);
    loop_work(c->f->app->loop, work, over, c);
}

void cuts_apply(struct Cuts *c, void (*done)(void *ctx, const Error *err), void *ctx)
{
    if (done)
        vec_push(&c->waiting, ((Waiter){done, ctx}));
    c->again = true;
    if (!c->busy)
        start_round(c);
}

/* Whoever waits is not told any more: the process ends. */
void cuts_free(struct Cuts *c)
{
    c->gone = true;
    if (c->busy)
        return; /* a thread works with it; over() comes back here */
    map_free(c->cut);
    vec_done(&c->round);
    vec_done(&c->waiting);
    vec_done(&c->served);
    free(c);
}

/* ---- the request ---- */

static ErrCode check_from(Op *op, const Obj *pod, const char *from, Error *err)
{
    if (is_word(from))
        return ERR_OK;
    if (*from && !str_eq(from, pod->name) &&
        store_get(op->f->app->store, op->a, K(POD), pod->ns, from))
        return ERR_OK;
    return err_set(err, ERR_INVALID,
                   "from: '%s' is not one of api peers clients satellite central all, nor the name "
                   "of another pod in namespace %s",
                   from, pod->ns);
}

static bool already(const Faults *f, const Obj *pod, const char *from)
{
    for (size_t i = 0; i < f->list.n; i++) {
        const Fault *x = f->list.at[i];
        if (x->kind == FAULT_PARTITION && str_eq(x->ns, pod->ns) && str_eq(x->pod, pod->name) &&
            str_eq(x->arg, from))
            return true;
    }
    return false;
}

static void cut(Op *op, const Obj *pod, const char *from)
{
    char *what = arena_printf(op->a, "cut off from %s", from);
    const Fault like = {.kind = FAULT_PARTITION,
                        .ns = arena_strdup(op->a, pod->ns),
                        .pod = arena_strdup(op->a, pod->name),
                        .arg = arena_strdup(op->a, from),
                        .what = what};
    if (!already(op->f, pod, from))
        fault_add(op->f, &like);
    op_say(op, pod, "%s", what);
}

ErrCode fault_partition(Op *op, Error *err)
{
    Targets t;
    const cJSON *from, *list = js_get(op->req, "from");
    ErrCode rc = targets_pick(op, &t, err);
    if (!rc && !cJSON_GetArraySize(list))
        rc =
            err_set(err, ERR_INVALID,
                    "from: say what to cut off: api peers clients satellite central all, or a pod");
    for (size_t i = 0; !rc && i < t.n; i++)
        js_each(from, list)
        {
            rc = rc ? rc : check_from(op, t.at[i], str_or(cJSON_GetStringValue(from), ""), err);
        }
    for (size_t i = 0; !rc && i < t.n; i++)
        js_each(from, list)
        {
            cut(op, t.at[i], cJSON_GetStringValue(from));
        }
    return rc;
}
