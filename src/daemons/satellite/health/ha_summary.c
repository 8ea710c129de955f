#include "health/ha_summary.h"

#include "model/durability.h"
#include "model/lsn.h"

typedef struct View {
    Arena *a;
    const char *base;
    const InstanceHealth *at;
    size_t n;
    const InstanceHealth *informed; /* who knows most of the lease */
    const InstanceHealth *primary;
} View;

static bool knows_more(const HaFacts *x, const HaFacts *y)
{
    if (x->lease_epoch != y->lease_epoch)
        return x->lease_epoch > y->lease_epoch;
    if ((x->lease_age_ms < 0) != (y->lease_age_ms < 0))
        return x->lease_age_ms >= 0;
    return x->lease_age_ms < y->lease_age_ms;
}

static void look(View *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const InstanceHealth *h = &v->at[i];
        if (h->ha.lease_epoch && (!v->informed || knows_more(&h->ha, &v->informed->ha)))
            v->informed = h;
    }
    for (size_t i = 0; i < v->n; i++) {
        const InstanceHealth *h = &v->at[i];
        bool leads = v->informed && str_eq(h->pod_name, v->informed->ha.lease_holder);
        if (h->role == ROLE_PRIMARY && (!v->primary || leads))
            v->primary = h;
    }
}

/* ---- durability ---- */

static SyncSet record_of(const View *v, const HaFacts *f)
{
    SyncSet s = {
        .mode = durability_of(f->durability), .k = f->sync_k, .degraded = f->sync_degraded};
    for (size_t i = 0; i < f->sync_names.n; i++) {
        int ordinal = sync_ordinal(f->sync_names.at[i], v->base);
        if (ordinal >= 0)
            s.members |= 1u << ordinal;
    }
    return s;
}

/* How many of those that a write waits for are there. */
static unsigned acknowledging(const HaFacts *f)
{
    const FollowerHealth *at = f->followers.at;
    unsigned n = 0;
    for (size_t i = 0; i < f->followers.n; i++)
        n += at[i].epoch == f->lease_epoch && str_eq(at[i].state, "streaming") &&
             (str_eq(at[i].sync_state, "quorum") || str_eq(at[i].sync_state, "sync"));
    return n;
}

static const char *sync_word(const View *v)
{
    if (!v->primary || str_empty(v->primary->ha.durability))
        return "unknown";
    const HaFacts *f = &v->primary->ha;
    if (f->sync_degraded)
        return "degraded";
    if (!f->sync_k)
        return f->sync_recorded || str_eq(f->durability, "performance") ? "off" : "unknown";
    return acknowledging(f) < f->sync_k ? "waiting" : "ok";
}

/* ---- would a failover lose data ---- */

static const FollowerHealth *follower(const InstanceHealth *primary, const char *pod)
{
    const FollowerHealth *at = primary->ha.followers.at;
    for (size_t i = 0; i < primary->ha.followers.n; i++)
        if (str_eq(at[i].pod_name, pod))
            return &at[i];
    return NULL;
}

/* What it has on its disk, against what the primary has written: as the primary sees it, else by
 * two reports that are not of the same moment. -1: not known. */
static int64_t behind(const InstanceHealth *primary, const InstanceHealth *h)
{
    const FollowerHealth *f = follower(primary, h->pod_name);
    uint64_t written, have, replayed;
    if (f && f->lag_bytes >= 0)
        return f->lag_bytes;
    bool has = lsn_parse(h->received_lsn, &have), did = lsn_parse(h->lsn, &replayed);
    if (!lsn_parse(primary->lsn, &written) || (!has && !did))
        return -1;
    if (!has || (did && replayed > have))
        have = replayed;
    return written > have ? (int64_t)(written - have) : 0;
}

static void loss(const View *v, HaSummary *s)
{
    LossView l = {.has_primary = v->primary != NULL, .behind_bytes = -1};
    if (v->primary) {
        int self = sync_ordinal(v->primary->pod_name, v->base);
        l.primary = self < 0 ? SYNC_MEMBERS : (unsigned)self;
        l.record = record_of(v, &v->primary->ha);
        l.has_record = v->primary->ha.sync_recorded;
    }
    for (size_t i = 0; v->primary && i < v->n; i++) {
        const InstanceHealth *h = &v->at[i];
        int ordinal = sync_ordinal(h->pod_name, v->base);
        if (h == v->primary || h->role != ROLE_REPLICA || ordinal < 0 || str_empty(h->lsn))
            continue;
        int64_t b = behind(v->primary, h);
        const FollowerHealth *f = follower(v->primary, h->pod_name);
        if (!l.candidates || (b >= 0 && (l.behind_bytes < 0 || b < l.behind_bytes))) {
            l.best = (unsigned)ordinal;
            l.behind_bytes = b;
            l.behind_seconds = f ? f->lag_seconds : h->lag_seconds;
        }
        l.candidates |= 1u << ordinal;
    }
    LossStatement st = loss_state(v->a, &l, v->base);
    s->loss = loss_name(st.verdict);
    s->loss_bytes = st.bytes;
    s->loss_text = st.text;
}

/* ---- what somebody did ---- */

static void interventions(const View *v, HaSummary *s)
{
    for (size_t i = 0; i < v->n; i++) {
        const InstanceHealth *h = &v->at[i];
        if (h->ha.fenced && (str_empty(s->fenced_pod) || h == v->primary)) {
            s->fenced_pod = h->pod_name;
            s->fence_operation = str_or(h->ha.fence_operation, "");
        }
    }
    if (v->informed && v->informed->ha.paused) {
        s->paused = true;
        s->paused_by = str_or(v->informed->ha.paused_by, "");
    }
}

HaSummary ha_summarise(Arena *a, const char *cluster, const ObjList *instances)
{
    View v = {.a = a, .base = cluster, .at = instances->at, .n = instances->n};
    look(&v);
    HaSummary s = {.durability = "",
                   .lease_holder = "",
                   .fenced_pod = "",
                   .fence_operation = "",
                   .paused_by = "",
                   .sync = sync_word(&v),
                   .lease_age_ms = -1};
    if (v.informed) {
        const HaFacts *f = &v.informed->ha;
        s.lease_holder = str_or(f->lease_holder, "");
        s.epoch = f->lease_epoch;
        s.lease_age_ms = f->lease_age_ms;
        s.lease_seconds = f->lease_seconds;
        s.durability = str_or(f->durability, "");
    }
    if (v.primary) {
        const HaFacts *f = &v.primary->ha;
        s.timeline_id = v.primary->timeline_id;
        s.durability = str_or(f->durability, s.durability);
        s.sync_k = f->sync_k;
        s.sync_names = f->sync_names;
        s.api_away = f->api_away;
    }
    loss(&v, &s);
    interventions(&v, &s);
    return s;
}
