#include "model/election.h"

/* Sets of views, as bits. */
#define L(v) (1u << LEASE_##v)
#define D(v) (1u << DATA_##v)
#define P(v) (1u << PG_##v)
#define ANY ~0u
#define L_MINE (L(MINE_NEW) | L(MINE))
#define L_OTHERS (L(OTHER) | L(EXPIRED) | L(FREE) | L(OTHER_NEW) | L(LATE))
#define D_NOTHING (D(EMPTY) | D(LOST))
#define NOT_BUILT "; automatic failover is not part of this version"

typedef struct Row {
    unsigned lease, data, pg, with, without;
    Decision decision;
} Row;

/* clang-format off */
#define ROW(lease, data, pg, with, without, state, action, hold, why) \
    {lease, data, pg, with, without, {MEMBER_##state, ACT_##action, hold, why}}
static const Row ROWS[] = {
    /* ---- nobody to act on, or nothing to act with ---- */
    ROW(ANY, D(UNKNOWN), ANY, 0, 0, STARTING, NONE, false, "the launcher does not answer"),
    ROW(L_MINE, ANY, P(STOPPING), 0, 0, STARTING, NONE, true, "PostgreSQL is stopping"),
    ROW(ANY, ANY, P(STOPPING), 0, 0, STARTING, NONE, false, "PostgreSQL is stopping"),
    ROW(ANY, D(FOREIGN), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: the data folder holds something that PG-Swarm did not make; it is not touched"),
    ROW(ANY, D(ALIEN), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: the data here is of another cluster than the one %s leads; it is not touched"),

    /* ---- a primary that runs ---- */
    ROW(L_MINE, ANY, P(PRIMARY), 0, 0, PRIMARY, NONE, true, NULL),
    ROW(L(UNKNOWN), ANY, P(PRIMARY), 0, 0, PRIMARY, NONE, false, NULL),
    ROW(L(NONE), ANY, P(PRIMARY), 0, 0, PRIMARY, RECREATE_LEASE, false, NULL),
    ROW(L_OTHERS, ANY, P(PRIMARY), 0, 0, WAITING, STOP_NOW, false,
        "stopping: the lease went to %s"),

    /* ---- no lease to go by ---- */
    ROW(L(UNKNOWN), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false, NULL),
    ROW(L(UNKNOWN), ANY, ANY, 0, 0, STARTING, NONE, false, "the lease was not read yet"),
    ROW(L(NONE), D(EMPTY), P(DOWN), IF_FIRST, 0, INITIALISING, CREATE_LEASE, false, NULL),
    ROW(L(NONE), D(EMPTY), P(DOWN), 0, IF_FIRST, WAITING, NONE, false,
        "waiting: the first member has not created the lease yet"),
    ROW(L(NONE), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false,
        "waiting: there is no lease" NOT_BUILT),
    ROW(L(NONE), ANY, ANY, 0, 0, WAITING, NONE, false,
        "waiting: there is data but no lease that says who leads" NOT_BUILT),

    /* ---- the lease is mine ---- */
    ROW(L(MINE_NEW), D(EMPTY), P(DOWN), 0, IF_PERMIT, INITIALISING, RENEW, true, NULL),
    ROW(L(MINE_NEW), D(EMPTY), P(DOWN), IF_PERMIT, 0, INITIALISING, INITDB, true, NULL),
    ROW(L_MINE, D(PRIMARY), P(DOWN), IF_EPOCH, IF_PERMIT, STARTING, RENEW, true, NULL),
    ROW(L_MINE, D(PRIMARY), P(DOWN), IF_EPOCH | IF_PERMIT, 0, STARTING, START_PRIMARY, true, NULL),
    ROW(L_MINE, D(PRIMARY), P(DOWN), 0, IF_EPOCH, WAITING, NONE, false,
        "waiting: this pod holds the lease, but its data is of another epoch" NOT_BUILT),
    ROW(L_MINE, D(STANDBY), ANY, 0, 0, WAITING, NONE, false,
        "waiting: this pod holds the lease, but its data last ran as a standby" NOT_BUILT),
    ROW(L_MINE, D_NOTHING, ANY, 0, 0, WAITING, NONE, false,
        "waiting: this pod holds the lease, but its data is gone; nobody initialises over it"
        NOT_BUILT),

    /* ---- the lease is another's, who leads ---- */
    ROW(L(OTHER_NEW), D_NOTHING, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: %s has not initialised the cluster yet"),
    ROW(L(OTHER), D_NOTHING, P(DOWN), 0, 0, CLONING, CLONE, false, NULL),
    ROW(L(OTHER) | L(LATE) | L(EXPIRED), D(STANDBY), P(DOWN), 0, 0, STARTING, REJOIN, false, NULL),
    ROW(L(OTHER), ANY, P(STANDBY), IF_FOLLOWS, 0, REPLICA, NONE, false, NULL),
    ROW(L(OTHER), ANY, P(STANDBY), 0, IF_FOLLOWS, REPLICA, FOLLOW, false, NULL),

    /* ---- the leader is away ---- */
    ROW(L(EXPIRED), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false,
        "waiting: lease of %s expired" NOT_BUILT),
    ROW(L(FREE), ANY, P(STANDBY), 0, 0, REPLICA, NONE, false,
        "waiting: nobody holds the lease" NOT_BUILT),
    ROW(L(EXPIRED), D_NOTHING, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: lease of %s expired" NOT_BUILT),
    ROW(L_OTHERS, D(PRIMARY), P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: this member was primary, and %s holds the lease now; rejoining is not part of "
        "this version"),
    ROW(L(FREE), ANY, P(DOWN), 0, 0, WAITING, NONE, false,
        "waiting: nobody holds the lease" NOT_BUILT),

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
