#include "durability/look.h"

#include "model/lsn.h"
#include <stdio.h>

enum { ARM_MS = 300 };

enum {
    COL_IN_FORCE,
    COL_FLUSH,
    COL_CHECKPOINTER,
    COL_NAME,
    COL_STATE,
    COL_SYNC,
    COL_BEHIND,
    COL_REPLAY_BEHIND,
    COL_FLUSHED,
    COL_STAMP,
    COL_LAG,
};

/* Commits wait for standbys once the checkpointer has read the names: when it sleeps, it has. */
const char SQL_LOOK[] =
    "SELECT current_setting('synchronous_standby_names'), pg_current_wal_flush_lsn(), "
    "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'checkpointer' AND wait_event IN "
    "('CheckpointerMain', 'CheckpointWriteDelay')), r.application_name, r.state, r.sync_state, "
    "greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), r.flush_lsn))::int8, "
    "greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn))::int8, "
    "r.flush_lsn, r.reply_time, coalesce(extract(epoch FROM r.flush_lag), 0)::float8 "
    "FROM (SELECT) AS one LEFT JOIN pg_stat_replication AS r ON r.application_name ~ '\\.e[0-9]+$' "
    "ORDER BY length(r.application_name), r.application_name";

void look_reset(Look *k)
{
    Arena *a = k->a;
    *k = (Look){.a = a};
}

/* "db-1.e7" is db-1 as of epoch 7. */
static const char *split_name(Arena *a, const char *name, uint64_t *ret_epoch)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot[1] != 'e' || !str_to_u64(dot + 2, ret_epoch))
        return NULL;
    return arena_strndup(a, name, (size_t)(dot - name));
}

static void note_answer(Seen *s, const char *stamp, uint64_t now)
{
    if (*s->stamp && strncmp(s->stamp, stamp, sizeof s->stamp - 1) == 0)
        return;
    snprintf(s->stamp, sizeof s->stamp, "%s", stamp);
    s->answered_at = now;
}

static FollowerHealth follower_of(Look *k, const PgResult *r, int row)
{
    return (FollowerHealth){
        .state = arena_strdup(k->a, pg_get(r, row, COL_STATE)),
        .sync_state = arena_strdup(k->a, pg_get(r, row, COL_SYNC)),
        .lag_bytes = pg_is_null(r, row, COL_BEHIND) ? -1 : pg_get_int(r, row, COL_BEHIND),
        .replay_lag_bytes =
            pg_is_null(r, row, COL_REPLAY_BEHIND) ? -1 : pg_get_int(r, row, COL_REPLAY_BEHIND),
        .lag_seconds = pg_get_f64(r, row, COL_LAG)};
}

/* Rows of followers; returns how many members of the set in force have everything up to armed_lsn.
 */
static unsigned take_rows(Look *k, const PgResult *r, const char *base, uint64_t epoch,
                          uint64_t now)
{
    int n = pg_rows(r);
    unsigned have = 0;
    FollowerHealth *at = arena_array(k->a, FollowerHealth, (size_t)n + 1);
    k->streaming = 0;
    k->followers = (ObjList){at, 0};
    for (int i = 0; i < n; i++) {
        uint64_t follows = 0, flushed;
        const char *pod = split_name(k->a, pg_get(r, i, COL_NAME), &follows);
        int ordinal = pod ? sync_ordinal(pod, base) : -1;
        if (ordinal < 0)
            continue;
        Seen *s = &k->seen[ordinal];
        FollowerHealth f = follower_of(k, r, i);
        f.pod_name = pod;
        f.epoch = (int64_t)follows;
        if (follows == epoch) {
            note_answer(s, pg_get(r, i, COL_STAMP), now);
            f.silent_seconds = (double)(now - s->answered_at) / 1000;
            if (str_eq(f.state, "streaming") && now - s->answered_at < LOOK_FRESH_MS)
                k->streaming |= 1u << ordinal;
            have += (k->set.members & 1u << ordinal) &&
                    lsn_parse(pg_get(r, i, COL_FLUSHED), &flushed) && flushed >= k->armed_lsn;
        }
        at[k->followers.n++] = f;
    }
    return have;
}

static void take_force(Look *k, const char *text, const char *base, uint64_t epoch, uint64_t now)
{
    if (k->force_since && str_eq(text, k->in_force))
        return;
    snprintf(k->in_force, sizeof k->in_force, "%s", text);
    k->set = (SyncSet){0};
    sync_text_parse(text, base, epoch, &k->set); /* what is not ours waits for nobody of ours */
    k->force_since = now;
    k->armed = k->confirmed = false;
    k->armed_lsn = 0;
}

void look_take(Look *k, const PgResult *r, const char *base, uint64_t epoch, uint64_t now)
{
    uint64_t flush = 0;
    arena_reset(k->a);
    if (!k->since)
        k->since = k->streamed_at = now;
    take_force(k, pg_get(r, 0, COL_IN_FORCE), base, epoch, now);
    if (!k->armed && now - k->force_since >= ARM_MS && pg_get_bool(r, 0, COL_CHECKPOINTER) &&
        lsn_parse(pg_get(r, 0, COL_FLUSH), &flush)) {
        k->armed = true;
        k->armed_lsn = flush; /* whoever was told without waiting had flushed before */
    }
    unsigned have = take_rows(k, r, base, epoch, now);
    if (k->armed && have >= k->set.k)
        k->confirmed = true;
    for (unsigned i = 0; i < SYNC_MEMBERS; i++)
        if (k->streaming & 1u << i)
            k->seen[i].streamed_at = k->streamed_at = now;
}

uint32_t look_recent(const Look *k, uint64_t now)
{
    uint32_t bits = 0;
    if (now - k->since < SYNC_SHRINK_MS)
        return UINT32_MAX;
    for (unsigned i = 0; i < SYNC_MEMBERS; i++)
        if (k->seen[i].streamed_at && now - k->seen[i].streamed_at < SYNC_SHRINK_MS)
            bits |= 1u << i;
    return bits;
}

bool look_alone(const Look *k, uint64_t now)
{
    return !k->streaming && k->since && now - k->streamed_at >= SYNC_DEGRADE_MS;
}
