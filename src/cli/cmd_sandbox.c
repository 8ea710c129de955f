/* The sandbox: central, its PostgreSQL and two sites on one machine. `up` works again and again,
 * from any state. */
#include "api/routes.h"
#include "cmds.h"
#include "sandbox/sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const DEFAULT_SITES[] = {"edge-a:region=us-east,tier=edge",
                                            "edge-b:region=eu-north,tier=edge"};

static ErrCode add_site(Sandbox *s, const char *spec, Error *err)
{
    StrView rest = sv(spec);
    const char *name = sv_dup(s->c->arena, sv_cut(&rest, ':'));
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) || !*name ||
        strlen(name) > 40)
        return err_set(err, ERR_USAGE, "--site '%s': a name has a-z, 0-9 and -, 1 to 40 of them",
                       spec);
    Site *old = site_find(s, name);
    if (old) {
        if (rest.n)
            old->labels = sv_dup(s->c->arena, rest);
        return ERR_OK;
    }
    if (s->nsites == SITES_MAX)
        return err_set(err, ERR_USAGE, "--site '%s': %d sites are the most", spec, SITES_MAX);
    s->sites[s->nsites] = (Site){.name = name,
                                 .labels = sv_dup(s->c->arena, rest),
                                 .index = (int)s->nsites,
                                 .dir = sandbox_path(s, "sites/%s", name)};
    s->nsites++;
    return ERR_OK;
}

static ErrCode choose_sites(Sandbox *s, Error *err)
{
    const char *spec = cli_opt_at(s->c, "site", 0);
    for (size_t i = 0; (spec = cli_opt_at(s->c, "site", i)); i++)
        if (add_site(s, spec, err))
            return err->code;
    for (size_t i = 0; s->nsites < 2 && !cli_opt(s->c, "site") && i < 2; i++)
        if (add_site(s, DEFAULT_SITES[i], err))
            return err->code;
    return sandbox_save(s, err);
}

static ErrCode all_up(Sandbox *s, Error *err)
{
    ErrCode rc = choose_sites(s, err);
    if (rc == ERR_OK)
        rc = central_up(s, err);
    if (rc == ERR_OK)
        rc = images_write(s, err);
    if (cli_flag(s->c, "central-only"))
        return rc;
    for (size_t i = 0; i < s->nsites && rc == ERR_OK; i++) {
        Step st = step_begin(s, "Kubernetes of %s", s->sites[i].name);
        rc = site_up(s, &s->sites[i], err);
        step_end(&st, rc ? err : NULL);
    }
    for (size_t i = 0; i < s->nsites && rc == ERR_OK; i++) {
        Step st = step_begin(s, "satellite of %s, approved", s->sites[i].name);
        rc = site_enrol(s, &s->sites[i], err);
        step_end(&st, rc ? err : NULL);
    }
    return rc;
}

static int up_run(Cli *c)
{
    Error err;
    Sandbox s;
    ErrCode rc = sandbox_open(c, true, &s, &err);
    if (rc == ERR_OK)
        rc = all_up(&s, &err);
    sandbox_close(&s);
    if (rc) {
        err_wrap(&err, "sandbox up");
        return cli_fail(c, &err);
    }
    cli_say(c, "The sandbox is up; its state and logs are in %s", s.dir);
    return 0;
}

static int purge(Sandbox *s)
{
    Error err;
    int rc = cli_confirm(s->c, 2, "sandbox",
                         arena_printf(s->c->arena, "This removes %s with all data in it.", s->dir));
    if (rc)
        return rc;
    const char *const argv[] = {"rm", "-rf", "--one-file-system", s->dir, NULL};
    if (run_logged(s, "/dev/null", argv, NULL, &err))
        return cli_fail(s->c, &err);
    cli_say(s->c, "removed %s", s->dir);
    return 0;
}

static int down_run(Cli *c)
{
    Error err;
    Sandbox s;
    if (sandbox_open(c, true, &s, &err))
        return cli_fail(c, &err);
    for (size_t i = 0; i < s.nsites; i++) {
        Step st = step_begin(&s, "stopping %s", s.sites[i].name);
        site_down(&s, &s.sites[i]);
        step_end(&st, NULL);
    }
    Step st = step_begin(&s, "stopping central");
    central_down(&s);
    step_end(&st, NULL);
    int rc = cli_flag(c, "purge") ? purge(&s) : 0;
    sandbox_close(&s);
    return rc;
}

/* ---- status ---- */

static const Column PROC_COLS[] = {
    {"PROCESS", "name", COL_TEXT, false, false, NULL},
    {"STATE", "state", COL_STATE, false, false, NULL},
    {"PID", "pid", COL_TEXT, false, true, NULL},
    {"ADDRESS", "address", COL_TEXT, false, false, NULL},
    {"LOG", "log", COL_TEXT, true, false, NULL},
    {0},
};

static void add_row(cJSON *rows, const char *name, pid_t pid, const char *address, const char *log)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "state", pid ? "running" : "stopped");
    if (pid)
        cJSON_AddNumberToObject(o, "pid", pid);
    cJSON_AddStringToObject(o, "address", address);
    cJSON_AddStringToObject(o, "log", log);
    cJSON_AddItemToArray(rows, o);
}

static int status_run(Cli *c)
{
    Error err;
    Sandbox s;
    if (sandbox_open(c, false, &s, &err))
        return cli_fail(c, &err);
    cJSON *rows = json_own(c->arena, cJSON_CreateArray());
    add_row(rows, "postgresql", central_pg_pid(&s), sandbox_path(&s, "central/run"),
            sandbox_path(&s, "central/postgres.log"));
    add_row(rows, "central", daemon_pid(sandbox_path(&s, "central/central.pid")),
            arena_printf(c->arena, "https://127.0.0.1:%d", s.http_port),
            sandbox_path(&s, "central/central.log"));
    bool all = true;
    for (size_t i = 0; i < s.nsites; i++)
        add_row(rows, arena_printf(c->arena, "site %s", s.sites[i].name), site_pid(&s, &s.sites[i]),
                arena_printf(c->arena, "https://127.0.0.1:%d", s.sites[i].api_port),
                arena_printf(c->arena, "%s/sandbox.log", s.sites[i].dir));
    const cJSON *r;
    cJSON_ArrayForEach(r, rows) all &= json_at(r, "pid") != NULL;
    int rc = out_list(c, PROC_COLS, rows, "process/");
    size_t faults = faults_count(&s);
    if (faults)
        cli_say(c, "%zu faults are in force: swarmctl sandbox faults", faults);
    return rc ? rc : all ? 0 : EXIT_NEGATIVE;
}

static int kubectl_env_run(Cli *c)
{
    Error err;
    Sandbox s;
    const char *name = cli_arg(c, 0);
    if (sandbox_open(c, false, &s, &err))
        return cli_fail(c, &err);
    const Site *site = site_find(&s, name);
    if (!site) {
        err_set(&err, ERR_NOT_FOUND, "no site '%s' in the sandbox; see swarmctl sandbox status",
                name);
        return cli_fail(c, &err);
    }
    /* kubectl remembers by address what a server serves; the port may have been another's. */
    const char *line = arena_printf(c->arena,
                                    "export KUBECONFIG='%s/kubeconfig'\n"
                                    "export KUBECACHEDIR='%s/kubectl-cache'\n",
                                    site->dir, site->dir);
    out_text(c, line, strlen(line));
    return 0;
}

static const OptSpec UP_OPTS[] = {
    {"site", 0, "NAME[:K=V,...]",
     "a site and its satellite's labels; may be given again (default: edge-a and edge-b)",
     COMP_NONE, NULL, true},
    {"central-only", 0, NULL, "central and its PostgreSQL, no site", COMP_NONE, NULL, false},
    {0}};
static const OptSpec DOWN_OPTS[] = {
    {"purge", 0, NULL, "remove its state and data too", COMP_NONE, NULL, false}, {0}};
static const ArgSpec SITE_ARG[] = {{"SITE", "edge-a, edge-b, ...", COMP_NONE, false, false}, {0}};

const CmdSpec CMD_SANDBOX_UP = {
    .path = "sandbox up",
    .summary = "Start central and its sites on this machine",
    .opts = UP_OPTS,
    .run = up_run,
    .offline = true,
    .about = "Makes what is missing and starts what does not run; a second time it changes "
             "nothing. Needs no root where "
             "user namespaces are allowed. Ends with the context `sandbox` as the current one.",
    .example = "  swarmctl sandbox up\n  swarmctl sandbox up --site lab:tier=test\n"};
const CmdSpec CMD_SANDBOX_DOWN = {.path = "sandbox down",
                                  .summary = "Stop the sandbox",
                                  .opts = DOWN_OPTS,
                                  .run = down_run,
                                  .offline = true,
                                  .example = "  swarmctl sandbox down --purge --yes\n"};
const CmdSpec CMD_SANDBOX_STATUS = {
    .path = "sandbox status",
    .summary = "Processes of the sandbox",
    .run = status_run,
    .offline = true,
    .about = "Exit status 1 when one of them does not run. Says when faults are in force."};
const CmdSpec CMD_SANDBOX_KUBECTL_ENV = {.path = "sandbox kubectl-env",
                                         .summary = "Print KUBECONFIG for kubectl",
                                         .args = SITE_ARG,
                                         .run = kubectl_env_run,
                                         .offline = true,
                                         .example =
                                             "  eval \"$(swarmctl sandbox kubectl-env edge-a)\"\n"};
