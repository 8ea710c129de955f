#include "election/peers.h"

#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MS = 500 }; /* an election waits for it */

typedef struct Peer {
    Peers *all;
    KubeWatch *watch;
    char selector[300];
    Position position;
    bool told_down;
} Peer;

struct Peers {
    PeersConfig cfg;
    Peer at[CONTEST_MEMBERS];
};

static void on_event(void *ctx, KubeEvent ev, const cJSON *obj)
{
    Peer *p = ctx;
    if (ev == KUBE_SYNCED)
        return;
    Position now = {0};
    if (ev != KUBE_DELETED)
        position_parse(kube_annotation(obj, POSITION_ANNOTATION), &now);
    bool news = memcmp(&now, &p->position, sizeof now) != 0;
    p->position = now;
    if (news)
        p->all->cfg.on_change(p->all->cfg.ctx);
}

/* Said once per loss: an election that lacks votes waits, and this is why. */
static void on_state(void *ctx, bool connected, const Error *err)
{
    Peer *p = ctx;
    if (!connected && !p->told_down)
        log_warn("peers", "the position of another member cannot be watched", "pod=%s err=%s",
                 strchr(p->selector, '=') + 1, log_quote(err ? err->msg : ""));
    p->told_down = !connected;
}

Peers *peers_new(const PeersConfig *cfg)
{
    Peers *p = xnew(Peers);
    p->cfg = *cfg;
    return p;
}

static void forget(Peer *p)
{
    kube_watch_stop(p->watch);
    p->watch = NULL;
    p->position = (Position){0};
}

void peers_free(Peers *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < CONTEST_MEMBERS; i++)
        forget(&p->at[i]);
    free(p);
}

static void watch(Peers *all, unsigned i)
{
    Peer *p = &all->at[i];
    p->all = all;
    snprintf(p->selector, sizeof p->selector, "metadata.name=%s-%u", all->cfg.base, i);
    p->watch = kube_watch(all->cfg.kube, &(KubeWatchSpec){.kind = &KUBE_POD,
                                                          .ns = all->cfg.ns,
                                                          .field_selector = p->selector,
                                                          .retry_max_ms = RETRY_MS,
                                                          .on_event = on_event,
                                                          .on_state = on_state,
                                                          .ctx = p});
}

void peers_watch(Peers *p, unsigned replicas)
{
    for (unsigned i = 0; i < CONTEST_MEMBERS; i++) {
        bool wanted = i < replicas && i != p->cfg.self;
        if (wanted && !p->at[i].watch)
            watch(p, i);
        else if (!wanted)
            forget(&p->at[i]);
    }
}

const Position *peers_position(const Peers *p, unsigned ordinal)
{
    return &p->at[ordinal].position;
}
