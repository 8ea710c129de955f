/* member/member.h - this member of the cluster: sees, decides by the table, acts through the
 * launcher and the lease. One action at a time; a failed one is tried again with backoff.
 *
 * Level-triggered: every event leads to the same step over everything that is seen, so a restart of
 * the sidecar, a lost answer or a repeated event changes nothing. */
#pragma once
#include "config.h"
#include "kube/kube.h"
#include "launcher/client.h"
#include "link/satellite.h"
#include "model/election.h"
#include "pg/pool.h"
#include "record/record.h"

typedef struct Member Member;
typedef struct MemberConfig {
    Loop *loop;
    const Config *cfg;
    Kube *kube;
    Link *link;
} MemberConfig;

Member *member_new(const MemberConfig *mc);
void member_free(Member *m);

MemberState member_state(const Member *m);
const char *member_why(const Member *m); /* "" when all is well */
bool member_pod_ends(const Member *m);   /* the launcher was asked to end as well */
/* The pod ends, and there is something left to do: PostgreSQL to be waited for, the lease to be let
 * go. */
bool member_is_ending(const Member *m);
bool member_ready(const Member *m); /* accepts reads (replica) or writes (primary) */
uint64_t member_epoch(const Member *m);
/* Health as of now, in `a`. */
InstanceHealth member_health(Member *m, Arena *a);
void member_report(Member *m); /* send it to the satellite */
LauncherClient *member_launcher(Member *m);
struct Operate *member_operate(Member *m);
Record *member_record(Member *m);
PgPool *member_pool(Member *m); /* NULL while PostgreSQL is down */
