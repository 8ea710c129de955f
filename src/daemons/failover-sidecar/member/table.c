#include "member/table.h"

/* Sets of views, as bits. */
#define L(v) (1u << LEASE_##v)
#define D(v) (1u << DATA_##v)
#define P(v) (1u << PG_##v)
#define ANY ~0u
#define L_MINE (L(MINE_NEW) | L(MINE))
#define L_OTHERS (L(OTHER) | L(EXPIRED) | L(FREE) | L(OTHER_NEW))
#define D_OURS (D(PRIMARY) | D(STANDBY))
#define D_NOTHING (D(EMPTY) | D(LOST))
#define NOT_BUILT "; automatic failover is not part of this version"

typedef struct Row {
    unsigned lease, data, pg, with, without;
    Decision decision;
} Row;

static const Row ROWS[] = {
    /* ---- nobody to act on, or nothing to act with ---- */
    {ANY,
     D(UNKNOWN),
     ANY,
     0,
     0,
     {MEMBER_STARTING, ACT_NONE, false, "the launcher does not answer"}},
    {ANY, ANY, P(STOPPING), 0, 0, {MEMBER_STARTING, ACT_NONE, false, "PostgreSQL is stopping"}},
    {ANY,
     D(FOREIGN),
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: the data folder holds something that PG-Swarm did not make; it is not touched"}},
    {ANY,
     D(ALIEN),
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: the data here is of another cluster than the one %s leads; it is not touched"}},

    /* ---- a primary that runs ---- */
    {L_MINE, ANY, P(PRIMARY), 0, 0, {MEMBER_PRIMARY, ACT_NONE, true, NULL}},
    {L(UNKNOWN), ANY, P(PRIMARY), 0, 0, {MEMBER_PRIMARY, ACT_NONE, false, NULL}},
    {L(NONE), ANY, P(PRIMARY), 0, 0, {MEMBER_PRIMARY, ACT_RECREATE_LEASE, false, NULL}},
    {L_OTHERS,
     ANY,
     P(PRIMARY),
     0,
     0,
     {MEMBER_WAITING, ACT_STOP_NOW, false, "stopping: the lease went to %s"}},

    /* ---- no lease to go by yet ---- */
    {L(UNKNOWN), ANY, P(STANDBY), 0, 0, {MEMBER_REPLICA, ACT_NONE, false, NULL}},
    {L(UNKNOWN), ANY, ANY, 0, 0, {MEMBER_STARTING, ACT_NONE, false, "the lease was not read yet"}},
    {L(NONE), D(EMPTY), P(DOWN), IF_FIRST, 0, {MEMBER_INITIALISING, ACT_CREATE_LEASE, false, NULL}},
    {L(NONE),
     D(EMPTY),
     P(DOWN),
     0,
     IF_FIRST,
     {MEMBER_WAITING, ACT_NONE, false, "waiting: the first member has not created the lease yet"}},
    {L(NONE),
     ANY,
     P(STANDBY),
     0,
     0,
     {MEMBER_REPLICA, ACT_NONE, false, "waiting: there is no lease" NOT_BUILT}},
    {L(NONE),
     ANY,
     ANY,
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: there is data but no lease that says who leads" NOT_BUILT}},

    /* ---- the lease is mine ---- */
    {L(MINE_NEW), D(EMPTY), P(DOWN), 0, IF_PERMIT, {MEMBER_INITIALISING, ACT_RENEW, true, NULL}},
    {L(MINE_NEW), D(EMPTY), P(DOWN), IF_PERMIT, 0, {MEMBER_INITIALISING, ACT_INITDB, true, NULL}},
    {L_MINE, D(PRIMARY), P(DOWN), IF_EPOCH, IF_PERMIT, {MEMBER_STARTING, ACT_RENEW, true, NULL}},
    {L_MINE,
     D(PRIMARY),
     P(DOWN),
     IF_EPOCH | IF_PERMIT,
     0,
     {MEMBER_STARTING, ACT_START_PRIMARY, true, NULL}},
    {L_MINE,
     D(PRIMARY),
     P(DOWN),
     0,
     IF_EPOCH,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: this pod holds the lease, but its data is of another epoch" NOT_BUILT}},
    {L_MINE,
     D(STANDBY),
     ANY,
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: this pod holds the lease, but its data last ran as a standby" NOT_BUILT}},
    {L_MINE,
     D_NOTHING,
     ANY,
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: this pod holds the lease, but its data is gone; nobody initialises over it, and "
      "automatic failover is not part of this version"}},

    /* ---- the lease is another's, who leads ---- */
    {L(OTHER_NEW),
     D_NOTHING,
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false, "waiting: %s has not initialised the cluster yet"}},
    {L(OTHER), D_NOTHING, P(DOWN), 0, 0, {MEMBER_CLONING, ACT_CLONE, false, NULL}},
    {L(OTHER) | L(EXPIRED),
     D(STANDBY),
     P(DOWN),
     0,
     0,
     {MEMBER_STARTING, ACT_START_STANDBY, false, NULL}},
    {L(OTHER), ANY, P(STANDBY), IF_FOLLOWS, 0, {MEMBER_REPLICA, ACT_NONE, false, NULL}},
    {L(OTHER), ANY, P(STANDBY), 0, IF_FOLLOWS, {MEMBER_REPLICA, ACT_FOLLOW, false, NULL}},

    /* ---- the leader is away ---- */
    {L(EXPIRED),
     ANY,
     P(STANDBY),
     0,
     0,
     {MEMBER_REPLICA, ACT_NONE, false, "waiting: lease of %s expired" NOT_BUILT}},
    {L(FREE),
     ANY,
     P(STANDBY),
     0,
     0,
     {MEMBER_REPLICA, ACT_NONE, false, "waiting: nobody holds the lease" NOT_BUILT}},
    {L(EXPIRED),
     D_NOTHING,
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false, "waiting: lease of %s expired" NOT_BUILT}},
    {L_OTHERS,
     D(PRIMARY),
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false,
      "waiting: this member was primary, and %s holds the lease now; rejoining is not part of this "
      "version"}},
    {L(FREE),
     ANY,
     P(DOWN),
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false, "waiting: nobody holds the lease" NOT_BUILT}},

    {ANY,
     ANY,
     ANY,
     0,
     0,
     {MEMBER_WAITING, ACT_NONE, false, "waiting: no rule for what is seen here"}},
};

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
    static const char *const NAMES[] = {"starting", "waiting", "initialising",
                                        "cloning",  "primary", "replica"};
    return s < MEMBER_STATE_COUNT ? NAMES[s] : "?";
}

const char *action_name(Action a)
{
    static const char *const NAMES[] = {
        "none",          "create-lease", "recreate-lease", "renew",  "initdb",
        "start-primary", "clone",        "start-standby",  "follow", "stop-now"};
    return a < ACTION_COUNT ? NAMES[a] : "?";
}
