#include "model/ha.h"

#define DUP(field) r.field = arena_strdup(a, r.field)

static StrList dup_names(Arena *a, StrList l)
{
    StrList r = strlist_dup(a, l);
    for (size_t i = 0; i < r.n; i++)
        r.at[i] = arena_strdup(a, r.at[i]);
    return r;
}

HaFacts ha_facts_dup(Arena *a, const HaFacts *h)
{
    HaFacts r = *h;
    DUP(lease_holder);
    DUP(durability);
    DUP(sync_in_force);
    DUP(sync_step);
    DUP(fence_operation);
    DUP(paused_by);
    r.sync_names = dup_names(a, h->sync_names);
    if (!h->followers.n)
        r.followers.at = NULL;
    else
        r.followers.at = arena_memdup(a, h->followers.at, h->followers.n * sizeof(FollowerHealth));
    for (size_t i = 0; i < r.followers.n; i++) {
        FollowerHealth *f = &((FollowerHealth *)r.followers.at)[i];
        f->pod_name = arena_strdup(a, f->pod_name);
        f->state = arena_strdup(a, f->state);
        f->sync_state = arena_strdup(a, f->sync_state);
    }
    return r;
}

HaSummary ha_summary_dup(Arena *a, const HaSummary *h)
{
    HaSummary r = *h;
    DUP(durability);
    DUP(sync);
    DUP(lease_holder);
    DUP(loss);
    DUP(loss_text);
    DUP(fenced_pod);
    DUP(fence_operation);
    DUP(paused_by);
    r.sync_names = dup_names(a, h->sync_names);
    return r;
}

static const char *const MODES[] = {"", "performance", "available", "protected", NULL};
static const char *const SYNC[] = {"", "unknown", "off", "ok", "waiting", "degraded", NULL};
static const char *const LOSS[] = {"", "unknown", "none", "possible", "nobody", "refused", NULL};

static const FieldSpec follower_fields[] = {
    FIELD_AS(FollowerHealth, "pod", pod_name, FK_STR, .help = "Who"),
    FIELD(FollowerHealth, epoch, FK_I64, .help = "It follows as of this epoch"),
    FIELD(FollowerHealth, state, FK_STR, .help = "streaming, catchup, backup or startup"),
    FIELD(FollowerHealth, sync_state, FK_STR, .help = "quorum: writes may wait for it; or async"),
    FIELD(FollowerHealth, lag_bytes, FK_I64, .help = "Written here and not on its disk"),
    FIELD(FollowerHealth, replay_lag_bytes, FK_I64, .help = "Written here and not replayed there"),
    FIELD(FollowerHealth, lag_seconds, FK_F64, .help = "Until a write was on its disk, lately"),
    FIELD(FollowerHealth, silent_seconds, FK_F64, .help = "Since it answered last"),
};
SCHEMA_DEF(schema_FOLLOWER, "FOLLOWER", FollowerHealth, follower_fields,
           "A standby as its primary sees it");

static const FieldSpec facts_fields[] = {
    FIELD(HaFacts, lease_holder, FK_STR, .help = "Who leads, as this member sees it"),
    FIELD(HaFacts, lease_epoch, FK_I64, .help = "How often leadership has moved"),
    FIELD(HaFacts, lease_age_ms, FK_I64, .help = "Since it was seen renewed; -1: never seen"),
    FIELD(HaFacts, lease_seconds, FK_U32, .help = "How long it holds"),
    FIELD(HaFacts, durability, FK_STR, .choices = MODES, .help = "What the profile asks for"),
    FIELD(HaFacts, sync_recorded, FK_BOOL, .help = "The lease says who must have a row"),
    FIELD(HaFacts, sync_k, FK_U32, .help = "Of how many a write waits"),
    FIELD(HaFacts, sync_names, FK_STRS, .help = "Of whom"),
    FIELD(HaFacts, sync_degraded, FK_BOOL, .help = "Writes do not wait though they should"),
    FIELD(HaFacts, sync_in_force, FK_STR, .help = "Primary: synchronous_standby_names"),
    FIELD(HaFacts, sync_step, FK_STR, .help = "Primary: stay, record, apply, confirm or hold"),
    FIELD(HaFacts, api_away, FK_BOOL, .help = "It does not reach the API server"),
    FIELD(HaFacts, fenced, FK_BOOL, .help = "It lets no client in"),
    FIELD(HaFacts, fence_operation, FK_STR, .help = "Whose fence it is"),
    FIELD(HaFacts, paused, FK_BOOL, .help = "No automatic failover"),
    FIELD(HaFacts, paused_by, FK_STR, .help = "Who paused it"),
    FIELD(HaFacts, sealed, FK_BOOL, .help = "It follows nobody: it takes part in an election"),
    FIELD(HaFacts, followers, FK_OBJS, .of = &schema_FOLLOWER, .help = "Primary: who follows"),
};
SCHEMA_DEF(schema_HA_FACTS, "HA_FACTS", HaFacts, facts_fields,
           "What one member knows of leadership and durability");

static const FieldSpec summary_fields[] = {
    FIELD_AS(HaSummary, "at", at_us, FK_TIME, .help = "When this was so"),
    FIELD(HaSummary, durability, FK_STR, .choices = MODES, .help = "What the profile asks for"),
    FIELD(HaSummary, sync, FK_STR, .choices = SYNC,
          .help = "off, ok, waiting (writes wait), degraded (they do not, though they should)"),
    FIELD(HaSummary, sync_k, FK_U32, .help = "Of how many members a write waits"),
    FIELD(HaSummary, sync_names, FK_STRS, .help = "Of whom"),
    FIELD(HaSummary, epoch, FK_I64, .help = "How often leadership has moved"),
    FIELD_AS(HaSummary, "timeline", timeline_id, FK_U32, .help = "Of the primary"),
    FIELD(HaSummary, lease_holder, FK_STR, .help = "Who leads"),
    FIELD(HaSummary, lease_age_ms, FK_I64,
          .help = "It was renewed at most so long before `at`; -1: unknown"),
    FIELD(HaSummary, lease_seconds, FK_U32, .help = "How long it holds"),
    FIELD_AS(HaSummary, "failover_loss", loss, FK_STR, .choices = LOSS,
             .help = "Would a failover now lose acknowledged rows: none, possible, nobody (there "
                     "is no candidate), refused (it would wait for votes), unknown"),
    FIELD_AS(HaSummary, "failover_loss_bytes", loss_bytes, FK_I64,
             .help = "At most so much WAL; -1: not known"),
    FIELD_AS(HaSummary, "failover_loss_text", loss_text, FK_STR, .help = "The same in one line"),
    FIELD(HaSummary, fenced_pod, FK_STR, .help = "Who lets no client in"),
    FIELD(HaSummary, fence_operation, FK_STR, .help = "Whose fence it is"),
    FIELD(HaSummary, paused, FK_BOOL, .help = "No automatic failover"),
    FIELD(HaSummary, paused_by, FK_STR, .help = "Who paused it"),
    FIELD(HaSummary, api_away, FK_BOOL, .help = "The primary does not reach the API server"),
};
SCHEMA_DEF(schema_HA_SUMMARY, "HA_SUMMARY", HaSummary, summary_fields,
           "Leadership and durability of a cluster");
