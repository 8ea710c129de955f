#include "cli.h"

#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool want_color(const Cli *c)
{
    const char *when = str_or(cli_opt(c, "color"), "auto");
    if (!str_eq(when, "auto"))
        return str_eq(when, "always");
    if (!str_empty(getenv("NO_COLOR")))
        return false;
    if (!str_empty(getenv("CLICOLOR_FORCE")))
        return true;
    return c->tty_out && !str_eq(getenv("TERM"), "dumb");
}

static int run(Cli *c, size_t argc, const char *const *argv)
{
    Error err;
    c->color = c->tty_err &&
               str_empty(getenv("NO_COLOR")); /* of what is said before the options are known */
    if (cmd_parse(c->arena, argc, argv, &c->inv, &err))
        return cli_fail(c, &err);
    c->quiet = cli_flag(c, "quiet");
    c->color = want_color(c);
    if (c->inv.version) {
        printf("swarmctl " PGSWARM_VERSION "\n");
        return 0;
    }
    if (c->inv.help || !c->inv.cmd) {
        AUTO_STRBUF b = {0};
        cmd_help(&c->inv, &b);
        fputs(strbuf_str(&b), stdout);
        return 0;
    }
    c->loop = loop_new();
    return c->inv.cmd->run(c);
}

int main(int argc, char **argv)
{
    Cli c = {.arena = arena_new(),
             .tty_in = isatty(STDIN_FILENO),
             .tty_out = isatty(STDOUT_FILENO),
             .tty_err = isatty(STDERR_FILENO)};
    log_init("swarmctl", LOG_WARN);
    int rc = run(&c, (size_t)argc - 1, (const char *const *)argv + 1);
    http_client_free(c.http);
    loop_free(c.loop);
    arena_free(c.arena);
    return rc;
}
