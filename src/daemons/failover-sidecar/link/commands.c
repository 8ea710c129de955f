#include "link/commands.h"

#include "core/log.h"
#include "member/operate.h"
#include <stdio.h>
#include <stdlib.h>

/* A command that is answered later. */
typedef struct Later {
    Member *member;
    Link *link;
    char *id;
    Error err;
    bool failed;
} Later;

static Later *later_new(Member *m, Link *k, const char *id)
{
    Later *l = xnew(Later);
    *l = (Later){.member = m, .link = k, .id = xstrdup(id)};
    return l;
}

static void on_status(void *ctx, CommandResult *r)
{
    Later *l = ctx;
    r->success = !l->failed;
    r->error = l->failed ? l->err.msg : "";
    r->code = l->failed ? err_name(l->err.code) : "";
    link_answer(l->link, l->id, r);
    free(l->id);
    free(l);
}

/* Every answer tells how the member stands after it. */
static void later_answer(void *ctx, const Error *err)
{
    Later *l = ctx;
    if (err)
        l->err = *err;
    l->failed = err;
    operate_status(member_operate(l->member), on_status, l);
}

static void answer(Member *m, Link *k, const char *id, const Error *err)
{
    later_answer(later_new(m, k, id), err);
}

static void do_status(Member *m, Link *k, const SidecarDown *cmd)
{
    operate_heard(member_operate(m), cmd->order.operation_id);
    answer(m, k, cmd->id, NULL);
}

static void do_order(Member *m, Link *k, const SidecarDown *cmd)
{
    operate_order(member_operate(m), cmd, later_answer, later_new(m, k, cmd->id));
}

static void do_checkpoint(Member *m, Link *k, const SidecarDown *cmd)
{
    operate_checkpoint(member_operate(m), later_answer, later_new(m, k, cmd->id));
}

static void do_reload(Member *m, Link *k, const SidecarDown *cmd)
{
    launcher_call(member_launcher(m), &(LpMsg){.type = LP_RELOAD}, later_answer,
                  later_new(m, k, cmd->id));
}

static void do_log_level(Member *m, Link *k, const SidecarDown *cmd)
{
    Error err = {0};
    LogLevel level;
    if (log_level_from_name(cmd->log_level, &level))
        log_set_level(level);
    else
        err_set(&err, ERR_INVALID,
                "level: '%s' is none, trace, debug, info, warn or error is right", cmd->log_level);
    answer(m, k, cmd->id, err.code ? &err : NULL);
}

static void refuse(Member *m, Link *k, const SidecarDown *cmd)
{
    Error err = {0};
    bool database = cmd->kind == SIDECAR_DOWN_OTHER && cmd->other == 8;
    if (cmd->kind == SIDECAR_DOWN_OTHER && !database)
        err_set(&err, ERR_UNIMPLEMENTED,
                "this version (%s) knows no such command (field %d); nothing was changed",
                PGSWARM_VERSION, cmd->other);
    else
        err_set(&err, ERR_UNIMPLEMENTED, "%s is not part of this version (%s); nothing was changed",
                database ? "create_database" : sidecar_down_name(cmd->kind), PGSWARM_VERSION);
    answer(m, k, cmd->id, &err);
}

void command_handle(Member *m, Link *k, const SidecarDown *cmd)
{
    static const struct {
        SidecarDownKind kind;
        void (*fn)(Member *m, Link *k, const SidecarDown *cmd);
    } COMMANDS[] = {
        {SIDECAR_DOWN_STATUS, do_status},     {SIDECAR_DOWN_CHECKPOINT, do_checkpoint},
        {SIDECAR_DOWN_RELOAD, do_reload},     {SIDECAR_DOWN_SET_LOG_LEVEL, do_log_level},
        {SIDECAR_DOWN_FENCE, do_order},       {SIDECAR_DOWN_UNFENCE, do_order},
        {SIDECAR_DOWN_PROMOTE, do_order},     {SIDECAR_DOWN_STOP_CLEAN, do_order},
        {SIDECAR_DOWN_START_AGAIN, do_order}, {SIDECAR_DOWN_HANDOVER, do_order},
        {SIDECAR_DOWN_REINIT, do_order},      {SIDECAR_DOWN_RESTART, do_order},
        {SIDECAR_DOWN_PAUSE, do_order},       {SIDECAR_DOWN_RESUME, do_order},
        {SIDECAR_DOWN_FAILOVER, do_order},
    };
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (COMMANDS[i].kind == cmd->kind) {
            COMMANDS[i].fn(m, k, cmd);
            return;
        }
    refuse(m, k, cmd);
}
