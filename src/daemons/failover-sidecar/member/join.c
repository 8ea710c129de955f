/* Coming back, and following a leader: from the lease to the launcher. */
#include "member/member_priv.h"

static void on_done(void *ctx, const Error *err)
{
    member_action_done(ctx, err);
}

/* Whom to follow, from the lease; the password from the Secret. */
ErrCode member_put_upstream(Member *m, LpMsg *msg, Arena *a, Error *err)
{
    const LeaseInfo *l = lease_info(m->lease);
    char host[LEASE_TEXT];
    uint16_t port;
    if (!addr_split(l->primary_addr, host, sizeof host, &port))
        return err_set(err, ERR_INVALID, "the lease's primary-addr: '%s' is not HOST:PORT",
                       l->primary_addr);
    if (config_secret(a, m->mc.cfg, "replication-password", &msg->text[LPF_PASSWORD], err))
        return err->code;
    msg->text[LPF_HOST] = arena_strdup(a, host);
    msg->text[LPF_LEADER] = l->holder;
    msg->text[LPF_USER] = "repl_user";
    msg->text[LPF_SLOT] = arena_printf(a, "member_%u", m->mc.cfg->ordinal);
    msg->num[LPF_PORT] = port;
    msg->num[LPF_EPOCH] = l->epoch;
    msg->num[LPF_SYSTEM_ID] = l->system_id;
    return ERR_OK;
}

/* Both ways the lines are compared first: PostgreSQL that is down with data, and a standby that is
 * to follow somebody else. */
void member_join(Member *m, Action act)
{
    (void)act;
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg msg = {0};
    Error err = {0};
    if (member_put_upstream(m, &msg, a, &err)) {
        member_action_done(m, &err);
        return;
    }
    RejoinTarget to = {.leader = msg.text[LPF_LEADER],
                       .host = msg.text[LPF_HOST],
                       .user = msg.text[LPF_USER],
                       .password = msg.text[LPF_PASSWORD],
                       .slot = msg.text[LPF_SLOT],
                       .port = (uint16_t)msg.num[LPF_PORT],
                       .epoch = msg.num[LPF_EPOCH],
                       .system_id = msg.num[LPF_SYSTEM_ID],
                       .sync = sync_standby_text(a, m->mc.cfg, msg.num[LPF_EPOCH]),
                       .as_it_is = lease_info(m->lease)->paused.is,
                       .local = m->instance ? instance_pool(m->instance) : NULL};
    rejoin_start(m->rejoin, &to, on_done, m);
}

ErrCode member_clone_anew(Member *m, Error *err)
{
    (void)err;
    rejoin_clone_next(m->rejoin, "somebody asked for a new copy");
    return ERR_OK;
}

static void on_event(void *ctx, Severity s, const char *kind, const char *text)
{
    member_event(ctx, s, kind, "%s", text);
}

Rejoin *member_rejoin_new(Member *m)
{
    return rejoin_new(&(RejoinConfig){.loop = m->mc.loop,
                                      .launcher = m->launcher,
                                      .record = m->record,
                                      .member = m->mc.cfg->pod,
                                      .on_event = on_event,
                                      .ctx = m});
}
