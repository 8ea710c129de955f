/* pg-swarm-central: what should be, over the whole fleet. */
#include "api/api.h"
#include "app.h"
#include "init.h"

#include <stdio.h>

static ErrCode serve(const Config *cfg, Error *err)
{
    App *app;
    if (app_open(cfg, false, 0, &app, err))
        return err->code;
    ErrCode rc = app_serve(app, err);
    if (!rc)
        app_run(app);
    app_free(app);
    return rc;
}

static ErrCode dump(Arena *a, const Config *cfg, Error *err)
{
    if (!str_eq(cfg->dump, "openapi"))
        return err_set(err, ERR_USAGE, "--dump: '%s'; openapi is what there is", cfg->dump);
    puts(api_openapi(a));
    return ERR_OK;
}

static ErrCode run(Arena *a, const Config *cfg, Error *err)
{
    if (str_eq(cfg->service, "dump"))
        return dump(a, cfg, err);
    if (str_eq(cfg->service, "init"))
        return init_run(cfg, err);
    if (str_eq(cfg->service, "ca"))
        return init_print_ca(cfg, err);
    return serve(cfg, err);
}

int main(int argc, char **argv)
{
    AUTO_ARENA a = arena_new();
    Config cfg;
    ConfigVerdict verdict;
    Error err = {0};
    if (!config_load(a, argc, argv, &cfg, &verdict, &err)) {
        log_init("central", cfg.log_level);
        if (verdict == CONFIG_HELP)
            fputs(config_help(a), stdout);
        else if (verdict == CONFIG_VERSION)
            puts("pg-swarm-central " PGSWARM_VERSION);
        else
            run(a, &cfg, &err);
    }
    if (err.code)
        fprintf(stderr, "pg-swarm-central: %s\n", err.msg);
    return err.code ? err_exit(err.code) : 0;
}
