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

void member_join(Member *m, Action act)
{
    AUTO_ARENA a = arena_new_sized(1024);
    LpMsg msg = {.type = act == ACT_FOLLOW ? LP_FOLLOW : LP_START};
    msg.num[LPF_ROLE] = LP_ROLE_STANDBY;
    Error err = {0};
    if (member_put_upstream(m, &msg, a, &err)) {
        member_action_done(m, &err);
        return;
    }
    msg.text[LPF_SYNC] = sync_standby_text(a, m->mc.cfg, msg.num[LPF_EPOCH]);
    launcher_call(m->launcher, &msg, on_done, m);
}

ErrCode member_clone_anew(Member *m, Error *err)
{
    (void)m;
    return err_set(err, ERR_UNIMPLEMENTED, "cloning over data is not part of this version");
}
