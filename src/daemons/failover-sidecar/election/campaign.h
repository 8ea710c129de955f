/* election/campaign.h - this member's part in an election: from what the lease, the launcher, the
 * own PostgreSQL and the peers say to the flags of the table and the verdict of the contest. What
 * is done about it is the table's.
 *
 * A position is taken once, after the seal, and stays what it was until the seal is lifted: what is
 * published is true as long as it stands there. */
#pragma once
#include "config.h"
#include "core/launcher_proto.h"
#include "election/announce.h"
#include "election/peers.h"
#include "election/position.h"
#include "lease/lease_json.h"
#include "model/election.h"

typedef struct Campaign Campaign;
typedef struct CampaignConfig {
    const Config *cfg;
    Kube *kube;
    void (*on_change)(void *ctx);
    void *ctx;
} CampaignConfig;

/* What is seen at one step. */
typedef struct CampaignView {
    LeaseView view;
    const LeaseInfo *lease;
    const LpMsg *launcher;        /* NULL: it does not answer */
    const PositionSeen *position; /* NULL: PostgreSQL does not run */
    uint64_t now;
} CampaignView;

Campaign *campaign_new(const CampaignConfig *cc);
void campaign_free(Campaign *c);
/* Takes what is seen; returns the flags IF_SEALED, IF_SETTLED, IF_CUT, IF_TOLD, IF_CURRENT,
 * IF_TURN, IF_ENTITLED, IF_READY. */
unsigned campaign_look(Campaign *c, const CampaignView *v);
/* ms until time alone may change what campaign_look says; UINT64_MAX: never. */
uint64_t campaign_again(const Campaign *c);
/* How often the own position must be asked for now; 0: not at all. */
unsigned campaign_poll_ms(const Campaign *c);

uint64_t campaign_epoch(const Campaign *c);  /* that is to be taken */
const char *campaign_why(const Campaign *c); /* why it is not our turn; "" when it is */
/* The last verdict: votes, rank, whether rows may be lost. */
const ContestResult *campaign_result(const Campaign *c);
const Position *campaign_position(const Campaign *c); /* the own one, as it is to be published */
const char *campaign_text(const Campaign *c);         /* as text; NULL: not sealed */
bool campaign_proven(const Campaign *c);
Announce *campaign_announce(Campaign *c);
