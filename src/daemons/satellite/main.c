#include "app.h"
#include "core/resident.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    resident_start();
    AUTO_ARENA a = arena_new();
    SatConfig cfg;
    Error err;
    ConfigResult res = config_load(a, argc, argv, &cfg);
    if (res != CONFIG_OK)
        return res == CONFIG_EXIT ? 0 : 2;
    log_init("satellite", cfg.log_level);
    Loop *loop = loop_new();
    App *app = arena_new_of(a, App);
    int status = 0;
    if (app_start(app, loop, &cfg, &err)) {
        log_error("app", "cannot start", "err=%s", log_quote(err.msg));
        status = err_exit(err.code);
    } else {
        log_info("app", "started", "version=%s namespace=%s central=%s", PGSWARM_VERSION,
                 log_quote(cfg.ns), log_quote(cfg.central_addr));
        loop_run(loop);
        status = app->failed ? 1 : 0;
    }
    app_stop(app);
    loop_free(loop);
    return status;
}
