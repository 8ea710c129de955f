#include "app.h"

#include "confwatch.h"
#include "core/log.h"
#include "core/resident.h"
#include "healthz.h"
#include "link/commands.h"
#include "member/member.h"
#include <signal.h>

enum { SETTLE_MS = 5 * 1000, SETTLE_AGAIN_MS = 60 * 1000 };
/* Last words have their time; whether the launcher was asked to end as well shows a moment later.
 */
enum { LINGER_MS = 500, ALONE_MS = 2000, GIVE_UP_MS = 55 * 1000 };
enum { CATCH_UP_MS = 300, CATCH_UP_AGAIN_MS = 1000 };

typedef struct App {
    Loop *loop;
    Config *cfg;
    Arena *arena;
    Kube *kube;
    Link *link;
    Member *member;
    ConfWatch *confwatch;
    HttpServer *http;
    SigWatch *term, *intr;
    Timer *settle, *ending, *catch_up;
    uint64_t alone_at, give_up_at; /* loop time */
    bool asked, answered;          /* the launcher, once alone_at is over */
} App;

static void on_asked(void *ctx, const Error *err)
{
    App *app = ctx;
    (void)err; /* a launcher that is gone has nothing to end any more */
    app->answered = true;
}

/* When the whole pod ends, the launcher shuts PostgreSQL down; until that is done its permit must
 * be extended, and then the lease let go. When only we end, PostgreSQL goes on without us: that is
 * the launcher's to say, and time alone does not. It, or we, may have stood still. */
static void on_ending(void *ctx)
{
    App *app = ctx;
    uint64_t now = loop_now(app->loop);
    if (now >= app->alone_at && !app->asked) {
        app->asked = true;
        launcher_call(member_launcher(app->member), &(LpMsg){.type = LP_STATUS}, on_asked, app);
    }
    bool through =
        !member_is_ending(app->member) && (app->answered || member_pod_ends(app->member));
    if (through || now >= app->give_up_at)
        loop_stop(app->loop);
}

static void on_signal(void *ctx, int signum)
{
    App *app = ctx;
    if (app->ending)
        return;
    log_info("app", "asked to end", "signal=%d", signum);
    app->alone_at = loop_now(app->loop) + ALONE_MS;
    app->give_up_at = loop_now(app->loop) + GIVE_UP_MS;
    app->ending = timer_start(app->loop, LINGER_MS, 100, on_ending, app);
}

static void on_command(void *ctx, const SidecarDown *cmd)
{
    App *app = ctx;
    if (cmd->kind == SIDECAR_DOWN_DECISION_ACK)
        record_acked(member_record(app->member), cmd->decision_ack.chain, cmd->decision_ack.number);
    else
        command_handle(app->member, app->link, cmd);
}

static void on_link_up(void *ctx)
{
    App *app = ctx;
    member_report(app->member);
    record_resume(member_record(app->member));
}

static void on_reloaded(void *ctx, const Error *err)
{
    App *app = ctx;
    if (err)
        link_event(app->link, SEV_ERROR, "config.reload_failed", err->msg);
    else
        link_event(app->link, SEV_INFO, "config.reloaded", "PostgreSQL has read its files again");
}

static void on_config_change(void *ctx)
{
    App *app = ctx;
    config_members(app->cfg);
    launcher_call(member_launcher(app->member), &(LpMsg){.type = LP_RELOAD}, on_reloaded, app);
}

static void on_caught_up(void *ctx, const Error *err)
{
    App *app = ctx;
    if (err)
        timer_again(app->catch_up, CATCH_UP_AGAIN_MS);
}

/* The files may have changed while there was no sidecar, and nobody tells of that twice. */
static void on_catch_up(void *ctx)
{
    App *app = ctx;
    launcher_call(member_launcher(app->member), &(LpMsg){.type = LP_RELOAD}, on_caught_up, app);
}

static void on_settle(void *ctx)
{
    (void)ctx;
    resident_settle();
}

static ErrCode set_up(App *app, Error *err)
{
    static const LinkEvents LINK_EVENTS = {.on_command = on_command, .on_up = on_link_up};
    const Config *cfg = app->cfg;
    KubeConfig kc;
    if (kube_config_any(app->arena, NULL, &kc, err))
        return err_wrap(err, "the way to the API server");
    kc.user_agent = "pg-swarm-failover-sidecar/" PGSWARM_VERSION;
    if (kube_new(app->loop, &kc, &app->kube, err) ||
        link_new(app->loop, cfg, &LINK_EVENTS, app, &app->link, err))
        return err->code;
    app->member = member_new(
        &(MemberConfig){.loop = app->loop, .cfg = cfg, .kube = app->kube, .link = app->link});
    if (confwatch_new(app->loop, cfg->config_dir, on_config_change, app, &app->confwatch, err) ||
        healthz_start(app->loop, cfg, app->member, &app->http, err))
        return err->code;
    app->term = sigwatch_start(app->loop, SIGTERM, on_signal, app);
    app->intr = sigwatch_start(app->loop, SIGINT, on_signal, app);
    app->settle = timer_start(app->loop, SETTLE_MS, SETTLE_AGAIN_MS, on_settle, app);
    app->catch_up = timer_start(app->loop, CATCH_UP_MS, 0, on_catch_up, app);
    return ERR_OK;
}

static void tear_down(App *app)
{
    sigwatch_stop(app->term);
    sigwatch_stop(app->intr);
    timer_stop(app->settle);
    timer_stop(app->ending);
    timer_stop(app->catch_up);
    http_server_free(app->http);
    confwatch_free(app->confwatch);
    member_free(app->member);
    link_free(app->link);
    kube_free(app->kube);
    loop_free(app->loop);
    arena_free(app->arena);
}

ErrCode app_run(Config *cfg, Error *err)
{
    App app = {.loop = loop_new(), .cfg = cfg, .arena = arena_new()};
    ErrCode rc = set_up(&app, err);
    if (!rc) {
        log_info("app", "ready", "version=%s pod=%s/%s cluster=%s replicas=%u", PGSWARM_VERSION,
                 log_quote(cfg->ns), log_quote(cfg->pod), log_quote(cfg->cluster), cfg->replicas);
        loop_run(app.loop);
    }
    tear_down(&app);
    return rc;
}
