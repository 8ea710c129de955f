#include "model/election.h"

/* Sets of views, as bits. */
#define L(v) (1u << LEASE_##v)
#define D(v) (1u << DATA_##v)
#define P(v) (1u << PG_##v)
#define ANY ~0u
#define L_MINE (L(MINE_NEW) | L(MINE))
#define L_LEADER (L(RISING) | L(OTHER) | L(LATE)) /* another's, and not over */
#define L_OVER (L(GONE) | L(EXPIRED) | L(FREE))   /* may be taken */
#define L_OTHERS (L(OTHER_NEW) | L_LEADER | L(EXPIRED) | L(FREE))
#define D_NOTHING (D(EMPTY) | D(LOST))
#define D_LINE (D(PRIMARY) | D(STANDBY)) /* a whole cluster of ours */
#define P_QUIET (P(DOWN) | P(STANDBY))   /* no primary here */

typedef struct Row {
    unsigned lease, data, pg, with, without;
    Decision decision;
} Row;

/* clang-format off */
#define ROW(lease, data, pg, with, without, state, action, hold, why) \
    {lease, data, pg, with, without, {MEMBER_##state, ACT_##action, hold, why}}
static const Row ROWS[] = {
    /* ---- nothing to act with ---- */
    ROW(ANY, D(UNKNOWN), ANY, 0, 0, STARTING, NONE, false, "the launcher does not answer"),
    ROW(L_MINE, ANY, P(STOPPING), 0, 0, STARTING, NONE, true, "PostgreSQL is stopping"),
    ROW(ANY, ANY, P(STOPPING), 0, 0, STARTING, NONE, false, "PostgreSQL is stopping"),

    /* ---- the pod ends: PostgreSQL is down now, so whoever wants the lease may have it ---- */
    ROW(L(MINE), ANY, P(DOWN), IF_LEAVING, 0, STARTING, RELEASE, false, "the pod is ending"),
    ROW(ANY, ANY, P_QUIET, IF_LEAVING, 0, STARTING, NONE, false, "the pod is ending"),

    /* ---- an operation has stopped it, and keeps the lease meanwhile ---- */
    ROW(L_MINE, ANY, P(DOWN), IF_HELD, 0, STARTING, NONE, true,
        "PostgreSQL is stopped for an operation"),

    ROW(ANY, D(FOREIGN), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: the data folder holds something that PG-Swarm did not make; it is not touched"),
    ROW(ANY, D(ALIEN), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: the data here is of another cluster than the one %s leads; it is not touched"),

    /* ---- a primary that runs ---- */
    ROW(L_OTHERS, ANY, P(PRIMARY), 0, 0, WAITING, STOP_NOW, false,
        "stopping: the lease went to %s"),
    ROW(L_MINE, ANY, P(PRIMARY), IF_FROZEN, 0, STARTING, KILL, true, "PostgreSQL is frozen"),
    ROW(ANY, ANY, P(PRIMARY), IF_FROZEN, 0, STARTING, KILL, false, "PostgreSQL is frozen"),
    ROW(L(MINE), D_NOTHING, P(PRIMARY), 0, 0, STARTING, STOP_NOW, true,
        "the data folder is gone under the running PostgreSQL"),
    ROW(L(MINE), ANY, P(PRIMARY), IF_EVICTED, 0, STARTING, STOP_NOW, true,
        "a failover away from here was asked for"),
    ROW(L_MINE, ANY, P(PRIMARY), IF_RECOVERY, 0, PROMOTING, NONE, true,
        "PostgreSQL is being promoted"),
    ROW(L_MINE, ANY, P(PRIMARY), IF_TOLD, 0, PRIMARY, WITHDRAW, true, NULL),
    ROW(L_MINE, ANY, P(PRIMARY), 0, 0, PRIMARY, NONE, true, NULL),
    ROW(L(UNKNOWN), ANY, P(PRIMARY), 0, 0, PRIMARY, NONE, false, NULL),
    ROW(L(NONE) | L(GONE), ANY, P(PRIMARY), 0, 0, PRIMARY, RECREATE_LEASE, false, NULL),

    /* ---- a standby that is none ---- */
    ROW(ANY, ANY, P(STANDBY), IF_ROGUE, 0, WAITING, STOP_NOW, false,
        "stopping: PostgreSQL was promoted, but not by PG-Swarm"),
    ROW(ANY, ANY, P(STANDBY), IF_FROZEN, 0, WAITING, KILL, false, "PostgreSQL is frozen"),

    /* ---- no lease to go by ---- */
    ROW(L(UNKNOWN), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false, NULL),
    ROW(L(UNKNOWN), ANY, ANY, 0, 0, STARTING, NONE, false, "the lease was not read yet"),
    ROW(L(NONE) | L(GONE), D(EMPTY), P(DOWN), IF_FIRST, 0, INITIALISING, CREATE_LEASE, false, NULL),
    ROW(L(NONE) | L(GONE), D(EMPTY), P(DOWN), 0, IF_FIRST, WAITING, NONE, false,
        "waiting: the first member has not created the lease yet"),
    ROW(L(NONE), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false,
        "waiting: there is no lease; a primary that runs makes it again"),
    ROW(L(NONE), ANY, ANY, 0, 0, WAITING, NONE, false,
        "waiting: there is no lease; a primary that runs makes it again"),

    /* ---- the lease is mine: nothing here yet ---- */
    ROW(L(MINE_NEW), D(EMPTY), P(DOWN), 0, IF_PERMIT, INITIALISING, RENEW, true, NULL),
    ROW(L(MINE_NEW), D(EMPTY), P(DOWN), IF_PERMIT, 0, INITIALISING, INITDB, true, NULL),
    ROW(L(MINE_NEW), D(PRIMARY), P(DOWN), 0, IF_PERMIT, STARTING, RENEW, true, NULL),
    ROW(L(MINE_NEW), D(PRIMARY), P(DOWN), IF_PERMIT, 0, STARTING, START_PRIMARY, true, NULL),
    ROW(L(MINE_NEW), ANY, ANY, 0, 0, WAITING, NONE, false,
        "waiting: this pod holds a lease without a cluster, but has data; it is not touched"),

    /* ---- the lease is mine, and PostgreSQL was primary here ---- */
    ROW(L(MINE), ANY, P_QUIET, IF_EVICTED, 0, STARTING, RELEASE, false,
        "a failover away from here was asked for"),
    ROW(L(MINE), D(PRIMARY), P(DOWN), IF_EPOCH, IF_QUICK, STARTING, RELEASE, false,
        "PostgreSQL ended here and is not started again in place"),
    ROW(L(MINE), D(PRIMARY), P(DOWN), IF_EPOCH, IF_PERMIT, STARTING, RENEW, true, NULL),
    ROW(L(MINE), D(PRIMARY), P(DOWN), IF_EPOCH | IF_PERMIT, 0, STARTING, START_PRIMARY, true, NULL),
    ROW(L(MINE), D(PRIMARY), P(DOWN), 0, IF_EPOCH, WAITING, RELEASE, false,
        "this pod holds the lease, but its data is of another epoch"),

    /* ---- the lease is mine, and this standby is to be the primary ---- */
    ROW(L(MINE), D(STANDBY), P(DOWN), IF_ENTITLED, IF_QUICK, STARTING, RELEASE, false,
        "PostgreSQL ended while it was promoted here; the others go first"),
    ROW(L(MINE), D(STANDBY), P(DOWN), IF_ENTITLED, 0, PROMOTING, START_SEALED, true, NULL),
    ROW(L(MINE), D(STANDBY), P(STANDBY), IF_ENTITLED, IF_READY, PROMOTING, NONE, true,
        "what was handed over is still being replayed"),
    ROW(L(MINE), D(STANDBY), P(STANDBY), IF_READY, IF_PERMIT, PROMOTING, RENEW, true, NULL),
    ROW(L(MINE), D(STANDBY), P(STANDBY), IF_READY | IF_PERMIT, 0, PROMOTING, PROMOTE, true, NULL),
    ROW(L(MINE), D(STANDBY), P_QUIET, 0, IF_ENTITLED, WAITING, RELEASE, false,
        "this pod holds the lease, but its data was not chosen for it"),
    ROW(L(MINE), D_NOTHING | D(MARKED), P(DOWN), 0, 0, WAITING, RELEASE, false,
        "this pod holds the lease, but its data is gone; nobody initialises over it"),

    /* ---- another leads, or begins to ---- */
    ROW(L(OTHER_NEW), D_NOTHING, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: %s has not initialised the cluster yet"),
    ROW(L(OTHER_NEW), ANY, P_QUIET, 0, 0, WAITING, NONE, false,
        "waiting: there is data here, and %s holds a lease without a cluster"),
    ROW(L(OTHER), D_NOTHING, P(DOWN), 0, 0, CLONING, CLONE, false, NULL),
    ROW(L(RISING) | L(LATE), D_NOTHING, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: %s does not lead now"),
    ROW(L(OTHER), ANY, P(STANDBY), IF_FOLLOWS, IF_TOLD, REPLICA, NONE, false, NULL),
    ROW(L(OTHER), ANY, P(STANDBY), IF_TOLD, 0, REPLICA, WITHDRAW, false, NULL),
    ROW(L(OTHER), ANY, P(DOWN), IF_TOLD, 0, STARTING, WITHDRAW, false, NULL),
    ROW(L(OTHER), D(PRIMARY) | D(MARKED), P(DOWN), IF_PAUSED, 0, WAITING, NONE, false,
        "waiting: automatic actions are paused, so this member does not come back by itself"),
    ROW(L(OTHER), D_LINE | D(MARKED), P(DOWN), 0, 0, REJOINING, REJOIN, false, NULL),
    ROW(L(OTHER), ANY, P(STANDBY), 0, IF_FOLLOWS, REPLICA, FOLLOW, false, NULL),
    ROW(L(RISING), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false, "waiting: %s is being promoted"),
    ROW(L(RISING) | L(LATE), ANY, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: %s does not lead now"),

    /* ---- whoever led is late: get ready, so that no time is lost when the lease is over ---- */
    ROW(L(LATE), ANY, P(STANDBY), 0, IF_CUT, REPLICA, NONE, false, NULL),
    ROW(L(LATE), ANY, P(STANDBY), IF_PAUSED, 0, REPLICA, NONE, false,
        "waiting: %s does not renew the lease; automatic failover is paused"),

    /* ---- nobody leads ---- */
    ROW(L_OVER, D_NOTHING | D(MARKED), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: nobody leads, and there is no data here to lead with"),
    ROW(L_OVER, ANY, P(DOWN), IF_GAVE, 0, WAITING, NONE, false,
        "waiting: this pod let go of the lease; the others go first"),
    ROW(L_OVER, D_LINE, P(DOWN), 0, 0, STARTING, START_SEALED, false, NULL),
    ROW(L_OVER, ANY, P(STANDBY), IF_PAUSED, 0, REPLICA, NONE, false,
        "waiting: nobody leads; automatic failover is paused"),
    ROW(L(FREE) | L(GONE), ANY, P(STANDBY), 0, IF_CUT, REPLICA, NONE, false,
        "waiting: nobody holds the lease; the receiver is still there"),
    ROW(L(EXPIRED), ANY, P(STANDBY), 0, IF_CUT, REPLICA, NONE, false, NULL),

    /* ---- an election ---- */
    ROW(L(LATE) | L_OVER, ANY, P(STANDBY), 0, IF_CONFIRMED, CONTENDING, CONFIRM, false, NULL),
    ROW(L(LATE) | L_OVER, ANY, P(STANDBY), 0, IF_SEALED, CONTENDING, SEAL, false, NULL),
    ROW(L(LATE) | L_OVER, ANY, P(STANDBY), 0, IF_SETTLED, CONTENDING, NONE, false,
        "waiting: the receiver ends, what it brought is looked at"),
    ROW(L(LATE) | L_OVER, ANY, P(STANDBY), 0, IF_CURRENT, CONTENDING, PUBLISH, false, NULL),
    ROW(L_OVER, ANY, P(STANDBY), IF_TURN, 0, CONTENDING, TAKE, false, NULL),
    ROW(L(LATE) | L_OVER, ANY, P(STANDBY), 0, 0, CONTENDING, NONE, false, NULL),

    ROW(ANY, ANY, ANY, 0, 0, WAITING, NONE, false, "waiting: no rule for what is seen here"),
};
/* clang-format on */

static bool matches(const Row *row, const Observation *o)
{
    return (row->lease & 1u << o->lease) && (row->data & 1u << o->data) &&
           (row->pg & 1u << o->pg) && (o->flags & row->with) == row->with &&
           !(o->flags & row->without);
}

/* A job of the launcher is waited for; what it is tells the state. */
static Decision while_job(const Observation *o)
{
    bool mine = o->lease == LEASE_MINE_NEW || o->lease == LEASE_MINE;
    return (Decision){.state = mine ? MEMBER_INITIALISING : MEMBER_CLONING, .hold = mine};
}

Decision member_decide(const Observation *o)
{
    if (o->job && o->data != DATA_UNKNOWN && o->pg == PG_DOWN)
        return while_job(o);
    size_t i = 0;
    while (!matches(&ROWS[i], o))
        i++;
    return ROWS[i].decision;
}

const char *member_state_name(MemberState s)
{
    static const char *const NAMES[] = {"starting",   "waiting",   "initialising",
                                        "cloning",    "primary",   "replica",
                                        "contending", "promoting", "rejoining"};
    return s < MEMBER_STATE_COUNT ? NAMES[s] : "?";
}

const char *action_name(Action a)
{
    static const char *const NAMES[] = {
        "none",    "create-lease", "recreate-lease", "renew",    "initdb", "start-primary", "clone",
        "follow",  "rejoin",       "start-sealed",   "stop-now", "kill",   "confirm",       "seal",
        "publish", "withdraw",     "take",           "promote",  "release"};
    return a < ACTION_COUNT ? NAMES[a] : "?";
}
