/* member/member_priv.h - inside of a member: shared by the step, the actions, the report. */
#pragma once
#include "core/clock.h"
#include "durability/slots.h"
#include "durability/sync.h"
#include "election/campaign.h"
#include "election/strip.h"
#include "lease/lease.h"
#include "member/instance.h"
#include "member/member.h"
#include "member/observe.h"
#include "member/operate.h"
#include "member/vouch.h"
#include "podlabel.h"
#include "probe/deep.h"
#include "record/record.h"
#include "rejoin/rejoin.h"

struct Member {
    MemberConfig mc;
    LauncherClient *launcher;
    Lease *lease;
    PodLabel *label;
    Record *record; /* decision_note(m->record, ...) */
    Sync *sync;
    Slots *slots;
    Operate *operate;
    Rejoin *rejoin;
    Instance *instance;
    bool instance_primary;
    uint64_t instance_started; /* LPF_STARTED of the PostgreSQL that `instance` is of */
    Timer *timer, *report_timer;
    uint64_t status_at;
    bool deferred; /* a step is due in this turn */

    Decision decision;
    char why[512];
    bool ready;
    InstanceRole told_role; /* as of the last report */
    bool told_ready, told_whole;
    uint64_t
        streamed_at; /* as a standby, when it was last seen to stream (clock_mono_ms); 0: never */
    bool news;       /* state or reason changed */

    /* Our own hold on the lease, on CLOCK_BOOTTIME. */
    uint64_t renewed_at; /* when the last renewal that succeeded was sent; 0: none */
    uint64_t renew_next;
    uint64_t permit_open; /* since when no permit was answered; 0: none is open */
    bool launcher_silent; /* and that was told */

    /* While the API server is away. */
    bool away, vouched;
    Vouch vouch;
    Timer *vouch_timer;
    uint64_t vouch_asked_at;

    char problem[400]; /* why the last action failed, or PostgreSQL did not stay up; "" */
    char fatal[300];   /* the last FATAL or PANIC of PostgreSQL's log */

    Action under_way; /* ACT_NONE: nothing */
    uint64_t retry_at;
    Backoff backoff;
    uint64_t exits; /* of PostgreSQL, as last told */

    /* Elections. */
    Campaign *campaign;
    Strip *strip;
    Deep *deep;       /* while PostgreSQL is up */
    LeaseView seen;   /* of the last step */
    bool established; /* the lease had a cluster once, since this process started */
    PgView pg;
    bool stop_under_way;   /* STOP_NOW, KILL: beside any other action */
    ContestResult contest; /* with which the lease was taken last, or tried to */
    Position position;
    uint64_t promote_at;
    uint32_t checkpointed; /* timeline */
    bool checkpoint_under_way;

    /* PostgreSQL that was a primary here and ended by itself. */
    bool crashed;
    bool must_give;          /* frozen or unable to start: not again in place */
    uint64_t restarted_at;   /* in place, the last time; 0: never */
    uint64_t last_lsn;       /* as a primary, when it was last asked */
    unsigned last_streaming; /* how many followed then */
};

/* act.c */
void member_act(Member *m, Action a);
void member_renew(Member *m);
uint64_t permit_ms(const Member *m); /* how long a renewal lets PostgreSQL run */
void member_took_lease(Member *m, uint64_t sent_ms);
bool permit_fresh(const Member *m);
void member_permit(Member *m, uint64_t deadline); /* to the launcher, for a running primary */

/* lead.c */
/* No permit and no start from here on without a renewal that succeeds later. Before any write that
 * gives the lease away, for its answer may be lost. */
void member_let_go(Member *m);
void member_take(Member *m);
void member_release(Member *m);
void member_promote(Member *m);
void member_begin_strip(Member *m);
void member_checkpoint_if_due(Member *m, const LpMsg *s);

/* crisis.c */
bool member_may_restart(const Member *m, uint64_t now);
void member_note_death(Member *m, const LpMsg *s);
void member_note_restart(Member *m, const LpMsg *s);
bool member_frozen(const Member *m, const LpMsg *s, uint64_t now);
void member_note_primary(Member *m); /* what is worth knowing of it when it is gone */

/* join.c */
void member_join(Member *m, Action act); /* ACT_FOLLOW, ACT_REJOIN */
Rejoin *member_rejoin_new(Member *m);
/* The next time this member comes back, it clones. */
ErrCode member_clone_anew(Member *m, Error *err) MUST_USE;
ErrCode member_put_upstream(Member *m, LpMsg *msg, Arena *a, Error *err) MUST_USE;

/* durable.c */
Sync *member_sync_new(Member *m);
Slots *member_slots_new(Member *m);
HaFacts member_ha(const Member *m, Arena *a);

/* away.c */
void member_api_away(Member *m, bool away);

/* member.c */
void member_kick(void *member);                       /* step in this turn */
void member_action_done(Member *m, const Error *err); /* of the action under way, once */
void member_event(Member *m, Severity s, const char *kind, const char *fmt, ...) PRINTF_LIKE(4, 5);
