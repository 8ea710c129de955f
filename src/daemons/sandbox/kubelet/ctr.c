#include "core/clock.h"
#include "core/file.h"
#include "core/ident.h"
#include "core/log.h"
#include "faults/faults.h"
#include "kubelet/pod.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RETRY_MS = 5000, RESET_US = 600 * 1000000, UID_POSTGRES = 999, FILE_MOUNTS = 5 };

void ctr_init(Pod *p, Ctr *c, const cJSON *spec, bool init)
{
    *c = (Ctr){.pod = p, .spec = spec, .name = js_text(spec, "name"), .init = init};
    bool waits = init || js_count(p->obj->json, "spec.initContainers") > 0;
    snprintf(c->reason, sizeof c->reason, "%s", waits ? "PodInitializing" : "ContainerCreating");
}

static void say(Ctr *c, const char *type, const char *reason, const char *text)
{
    store_event(c->pod->app->store, c->pod->obj, "kubelet", type, reason, "%s", text);
}

/* It cannot be started now; it waits with this reason, and another try comes later. */
static void cannot(Ctr *c, const char *reason, const Error *err)
{
    bool news = !str_eq(c->reason, reason) || !str_eq(c->message, err->msg);
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    snprintf(c->message, sizeof c->message, "%.*s", (int)sizeof c->message - 1, err->msg);
    c->phase = CTR_WAITING;
    c->start_at = loop_now(c->pod->app->loop) + RETRY_MS;
    if (news)
        say(c, "Warning", "Failed", err->msg);
}

/* ---- probes ---- */

static void start_probes(Ctr *c);

static void on_verdict(Ctr *c, int role, ProbeVerdict v, const char *why)
{
    static const char *const names[PROBE_ROLES] = {"Startup", "Readiness", "Liveness"};
    AUTO_ARENA a = arena_new();
    if (why)
        say(c, "Warning", "Unhealthy", arena_printf(a, "%s probe failed: %s", names[role], why));
    if (v == VERDICT_NONE)
        return;
    bool good = v == VERDICT_GOOD;
    if (role == PROBE_READINESS && c->ready != good) {
        c->ready = good;
        pod_kick(c->pod);
    }
    if (role == PROBE_STARTUP && good) {
        c->started = true;
        probe_stop(c->probes[PROBE_STARTUP]);
        c->probes[PROBE_STARTUP] = NULL;
        start_probes(c);
        pod_kick(c->pod);
    }
    if (role == PROBE_READINESS || good || c->kill)
        return;
    say(c, "Normal", "Killing",
        arena_printf(a, "Container %s failed %s probe, will be restarted", c->name,
                     role == PROBE_STARTUP ? "startup" : "liveness"));
    ctr_stop(c,
             (uint64_t)js_int(c->pod->obj->json, "spec.terminationGracePeriodSeconds", 30) * 1000);
}

static void on_startup(void *ctx, ProbeVerdict v, const char *why)
{
    on_verdict(ctx, PROBE_STARTUP, v, why);
}
static void on_readiness(void *ctx, ProbeVerdict v, const char *why)
{
    on_verdict(ctx, PROBE_READINESS, v, why);
}
static void on_liveness(void *ctx, ProbeVerdict v, const char *why)
{
    on_verdict(ctx, PROBE_LIVENESS, v, why);
}

static const struct {
    const char *member;
    ProbeFn fn;
} probe_roles[PROBE_ROLES] = {
    {"startupProbe", on_startup},
    {"readinessProbe", on_readiness},
    {"livenessProbe", on_liveness},
};

static void start_probe(Ctr *c, int role)
{
    ProbeTarget t = {.loop = c->pod->app->loop,
                     .ip = podnet_ip_text(c->pod->net),
                     .runner = c->run,
                     .env = c->env,
                     .uid = c->uid,
                     .gid = c->gid};
    c->probes[role] =
        probe_start(&c->probe_specs[role], &t, role != PROBE_LIVENESS, probe_roles[role].fn, c);
}

/* The startup probe first, alone; then the others. */
static void start_probes(Ctr *c)
{
    if (!c->started) {
        if (probe_parse(c->arena, c->spec, probe_roles[PROBE_STARTUP].member,
                        &c->probe_specs[PROBE_STARTUP])) {
            start_probe(c, PROBE_STARTUP);
            return;
        }
        c->started = true;
    }
    c->ready = true;
    for (int role = PROBE_READINESS; role < PROBE_ROLES; role++) {
        if (!probe_parse(c->arena, c->spec, probe_roles[role].member, &c->probe_specs[role]))
            continue;
        if (role == PROBE_READINESS)
            c->ready = false;
        start_probe(c, role);
    }
}

static void stop_probes(Ctr *c)
{
    for (int i = 0; i < PROBE_ROLES; i++) {
        probe_stop(c->probes[i]);
        c->probes[i] = NULL;
    }
}

/* ---- the end of a run ---- */

static void end_run(Ctr *c)
{
    stop_probes(c);
    timer_stop(c->kill);
    c->kill = NULL;
    crilog_close(c->log);
    c->log = NULL;
    runner_free(c->run);
    c->run = NULL;
    arena_free(c->arena);
    c->arena = NULL;
    c->env = NULL;
    c->ready = c->started = false;
}

static void on_exit_of(void *ctx, const RunnerExit *how)
{
    Ctr *c = ctx;
    end_run(c);
    c->phase = CTR_EXITED;
    c->exit_code = how->code;
    c->finished_us = how->wall_us;
    snprintf(c->reason, sizeof c->reason, "%s",
             !how->started ? "StartError"
             : how->code   ? "Error"
                           : "Completed");
    if (how->wall_us - c->started_us > RESET_US)
        c->failures = 0;
    c->failures++;
    uint64_t wait = pod_backoff_ms(c->failures);
    c->start_at = loop_now(c->pod->app->loop) + wait;
    if (wait && !c->pod->stopping && (how->code || !c->init))
        say(c, "Warning", "BackOff", "Back-off restarting failed container");
    pod_kick(c->pod);
}

static void on_output(void *ctx, RunnerStream s, const char *data, size_t n)
{
    Ctr *c = ctx;
    crilog_write(c->log, s == RUN_STDERR, data, n);
}

static void on_kill(void *ctx)
{
    Ctr *c = ctx;
    runner_signal(c->run, SIGKILL);
}

void ctr_stop(Ctr *c, uint64_t grace_ms)
{
    if (!c->run)
        return;
    if (grace_ms == 0) {
        runner_signal(c->run, SIGKILL);
        return;
    }
    if (c->kill) {
        timer_again(c->kill, grace_ms);
        return;
    }
    runner_signal(c->run, SIGTERM);
    c->kill = timer_start(c->pod->app->loop, grace_ms, 0, on_kill, c);
}

void ctr_done(Ctr *c)
{
    if (c->run)
        end_run(c);
}

/* ---- starting ---- */

static ErrCode set_user(Ctr *c, const Image *im, Error *err)
{
    const cJSON *own = js_get(c->spec, "securityContext");
    const cJSON *pods = js_at(c->pod->obj->json, "spec.securityContext");
    int64_t uid = js_int(own, "runAsUser", js_int(pods, "runAsUser", im->user));
    bool non_root = js_bool(own, "runAsNonRoot", js_bool(pods, "runAsNonRoot", false));
    if (uid <= 0 && non_root)
        return err_set(err, ERR_INVALID,
                       "container has runAsNonRoot and image will run as root (pod: \"%s_%s(%s)\", "
                       "container: %s)",
                       c->pod->name, c->pod->ns, c->pod->uid, c->name);
    c->uid = uid < 0 ? 0 : (unsigned)uid;
    c->gid = (unsigned)js_int(own, "runAsGroup", js_int(pods, "runAsGroup", c->uid));
    return ERR_OK;
}

/* passwd and group name the one user there is; a PostgreSQL will not start as a user without a
 * name. */
static ErrCode write_etc(Ctr *c, Arena *a, Mount mounts[FILE_MOUNTS], Error *err)
{
    const Pod *p = c->pod;
    const char *user = c->uid == 0 ? "root" : c->uid == UID_POSTGRES ? "postgres" : "app";
    const char *ip = podnet_ip_text(p->net);
    const char *host = str_or(js_str(p->obj->json, "spec.hostname"), p->name);
    const char *root = c->uid ? "root:x:0:0:root:/root:/usr/sbin/nologin\n" : "";
    const struct {
        const char *name, *text;
    } files[FILE_MOUNTS] = {
        {"passwd",
         arena_printf(a, "%s%s:x:%u:%u:%s:/tmp:/bin/sh\n", root, user, c->uid, c->gid, user)},
        {"group", arena_printf(a, "%s%s:x:%u:\n", c->gid ? "root:x:0:\n" : "",
                               c->gid ? user : "root", c->gid)},
        {"hosts", arena_printf(a, "127.0.0.1 localhost\n%s %s\n", ip, host)},
        {"hostname", arena_printf(a, "%s\n", host)},
        {"resolv.conf", ""},
    };
    const char *dir = arena_printf(a, "%s/etc/%s", p->mem_dir, c->name);
    ErrCode rc = file_mkdirs(dir, 0755, err);
    for (int i = 0; !rc && i < FILE_MOUNTS; i++) {
        const char *path = arena_printf(a, "%s/%s", dir, files[i].name);
        mounts[i] = (Mount){path, arena_printf(a, "/etc/%s", files[i].name), false};
        rc = file_write_atomic(path, sv(files[i].text), 0644, err);
    }
    return rc;
}

static ErrCode all_mounts(Ctr *c, Arena *a, RootSpec *root, Error *err)
{
    PodVolumes v = pod_volumes(c->pod);
    const Mount *vols;
    size_t n;
    ErrCode rc = volumes_mounts(&v, a, c->spec, &vols, &n, err);
    if (rc)
        return rc;
    Mount *all = arena_array(a, Mount, n + FILE_MOUNTS);
    if (n)
        memcpy(all, vols, n * sizeof *all);
    root->mounts = all;
    root->mount_count = n + FILE_MOUNTS;
    return write_etc(c, a, all + n, err);
}

static ErrCode open_log(Ctr *c, Arena *a, Error *err)
{
    const char *dir = arena_printf(a, "%s/%s", c->pod->log_dir, c->name);
    ErrCode rc = file_mkdirs(dir, 0755, err);
    /* This run's and the last one's are kept, as a kubelet does it. */
    unlink(arena_printf(a, "%s/%d.log", dir, c->restarts - 2));
    unlink(arena_printf(a, "%s/%d.log.1", dir, c->restarts - 2));
    if (!rc)
        rc = crilog_open(arena_printf(a, "%s/%d.log", dir, c->restarts), &c->log, err);
    return rc;
}

/* Everything that can be wrong with a container before it is one. */
static ErrCode configure(Ctr *c, const Image *im, RootSpec *root, const char *const **ret_command,
                         Error *err)
{
    Arena *a = c->arena;
    PodVolumes v = pod_volumes(c->pod);
    ErrCode rc = set_user(c, im, err);
    if (!rc)
        rc = podenv_build(a, &v.facts, c->spec, im, &c->env, err);
    if (rc)
        return rc;
    *root = (RootSpec){.image = im,
                       .uid = c->uid,
                       .gid = c->gid,
                       .cwd = js_str(c->spec, "workingDir"),
                       .env = c->env};
    *ret_command = podenv_command(a, c->spec, im, c->env);
    if (!*ret_command)
        return err_set(err, ERR_INVALID, "no command specified");
    return all_mounts(c, a, root, err);
}

/* What the last run was goes into lastState; the new one has not begun. */
static void next_run(Ctr *c)
{
    if (c->phase != CTR_EXITED)
        return;
    c->last.is = true;
    c->last.code = c->exit_code;
    c->last.started_us = c->started_us;
    c->last.finished_us = c->finished_us;
    memcpy(c->last.reason, c->reason, sizeof c->last.reason);
    c->restarts++;
    c->phase = CTR_WAITING;
}

static void run(Ctr *c, const RootSpec *root, const char *const *command)
{
    Error err;
    char uuid[UUID_LEN + 1];
    RunnerSpec spec = {.options = rootfs_options(c->arena, root),
                       .command = command,
                       .net = c->pod->net,
                       .clock_offset_s =
                           faults_clock(c->pod->app->faults, c->pod->ns, c->pod->name),
                       .on_output = on_output,
                       .on_exit = on_exit_of,
                       .ctx = c};
    if (open_log(c, c->arena, &err) || runner_start(c->pod->app->loop, &spec, &c->run, &err)) {
        cannot(c, "RunContainerError", &err);
        end_run(c);
        return;
    }
    uuid_new(uuid);
    snprintf(c->id, sizeof c->id, "sandbox://%s", uuid);
    c->phase = CTR_RUNNING;
    c->started_us = clock_wall_us();
    c->reason[0] = c->message[0] = 0;
    AUTO_ARENA a = arena_new();
    say(c, "Normal", "Started", arena_printf(a, "Started container %s", c->name));
    start_probes(c);
    pod_kick(c->pod);
}

void ctr_start(Ctr *c)
{
    Error err;
    Image im;
    RootSpec root;
    const char *const *command;
    const char *ref = js_text(c->spec, "image");
    next_run(c);
    c->arena = arena_new();
    if (image_find(c->arena, c->pod->app->cfg.images_file, ref, &im, &err)) {
        bool first = !str_eq(c->reason, "ErrImagePull") && !str_eq(c->reason, "ImagePullBackOff");
        bool never = str_eq(js_str(c->spec, "imagePullPolicy"), "Never");
        if (never)
            err_set(&err, ERR_NOT_FOUND,
                    "Container image \"%s\" is not present with pull policy of Never", ref);
        cannot(c, never ? "ErrImageNeverPull" : first ? "ErrImagePull" : "ImagePullBackOff", &err);
        end_run(c);
    } else if (configure(c, &im, &root, &command, &err)) {
        cannot(c, "CreateContainerConfigError", &err);
        end_run(c);
    } else {
        run(c, &root, command);
    }
}
