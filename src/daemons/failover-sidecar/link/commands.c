#include "link/commands.h"

#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

/* A command that is answered later. */
typedef struct Later {
    Member *member;
    Link *link;
    char *id;
} Later;

static CommandResult result_of(Member *m, Arena *a)
{
    InstanceHealth h = member_health(m, a);
    return (CommandResult){.success = true,
                           .error = "",
                           .in_recovery = h.role == ROLE_REPLICA,
                           .output = arena_printf(a, "%s%s%s", member_state_name(member_state(m)),
                                                  *member_why(m) ? ": " : "", member_why(m)),
                           .lsn = h.lsn,
                           .timeline_id = h.timeline_id,
                           .epoch = h.epoch};
}

static void answer(Member *m, Link *k, const char *id, const Error *err)
{
    AUTO_ARENA a = arena_new_sized(1024);
    CommandResult r = result_of(m, a);
    r.success = !err;
    r.error = err ? err->msg : "";
    link_answer(k, id, &r);
}

static Later *later_new(Member *m, Link *k, const char *id)
{
    Later *l = xnew(Later);
    *l = (Later){m, k, xstrdup(id)};
    return l;
}

static void later_answer(Later *l, const Error *err)
{
    answer(l->member, l->link, l->id, err);
    free(l->id);
    free(l);
}

static void on_checkpoint(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    later_answer(ctx, err);
}

static void on_reload(void *ctx, const Error *err)
{
    later_answer(ctx, err);
}

static void do_status(Member *m, Link *k, const SidecarDown *cmd)
{
    answer(m, k, cmd->id, NULL);
}

static void do_checkpoint(Member *m, Link *k, const SidecarDown *cmd)
{
    Error err = {0};
    if (member_pool(m)) {
        pg_query(member_pool(m), "CHECKPOINT", PG_NO_PARAMS, on_checkpoint,
                 later_new(m, k, cmd->id));
        return;
    }
    err_set(&err, ERR_UNAVAILABLE, "PostgreSQL is not running");
    answer(m, k, cmd->id, &err);
}

static void do_reload(Member *m, Link *k, const SidecarDown *cmd)
{
    launcher_call(member_launcher(m), &(LpMsg){.type = LP_RELOAD}, on_reload,
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
        {SIDECAR_DOWN_STATUS, do_status},
        {SIDECAR_DOWN_CHECKPOINT, do_checkpoint},
        {SIDECAR_DOWN_RELOAD, do_reload},
        {SIDECAR_DOWN_SET_LOG_LEVEL, do_log_level},
    };
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (COMMANDS[i].kind == cmd->kind) {
            COMMANDS[i].fn(m, k, cmd);
            return;
        }
    refuse(m, k, cmd);
}
