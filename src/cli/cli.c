#include "cli.h"

#include "out.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *cli_opt(const Cli *c, const char *name)
{
    const OptSpec *spec = cmd_option(c->inv.cmd, name);
    if (!spec)
        BUG("%s has no option --%s", c->inv.cmd ? c->inv.cmd->path : "swarmctl", name);
    const char *found = NULL;
    for (size_t i = 0; i < c->inv.nopts; i++)
        if (c->inv.opts[i].spec == spec)
            found = c->inv.opts[i].value;
    return found;
}

bool cli_flag(const Cli *c, const char *name)
{
    return cli_opt(c, name) != NULL;
}

const char *cli_opt_at(const Cli *c, const char *name, size_t i)
{
    const OptSpec *spec = cmd_option(c->inv.cmd, name);
    for (size_t k = 0; k < c->inv.nopts; k++)
        if (c->inv.opts[k].spec == spec && i-- == 0)
            return c->inv.opts[k].value;
    return NULL;
}

const char *cli_arg(const Cli *c, size_t i)
{
    return i < c->inv.nargs ? c->inv.args[i] : NULL;
}

ErrCode cli_duration(const char *text, uint64_t *ret_ms, Error *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } UNITS[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1000}};
    char digits[16];
    size_t n = strspn(text, "0123456789");
    uint64_t v;
    if (n && n < sizeof digits) {
        memcpy(digits, text, n);
        digits[n] = 0;
        for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
            if (str_eq(text + n, UNITS[i].unit) && str_to_u64(digits, &v) && v < 1000000000) {
                *ret_ms = v * UNITS[i].ms;
                return ERR_OK;
            }
    }
    return err_set(err, ERR_USAGE, "'%s' is not a duration; right is 500ms, 90s, 5m, 2h or 1d",
                   text);
}

void cli_say(const Cli *c, const char *fmt, ...)
{
    if (c->quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* What to do next, for the failures that have an answer. */
static const char *next_step(ErrCode code)
{
    static const struct {
        ErrCode code;
        const char *step;
    } STEPS[] = {
        {ERR_USAGE, "swarmctl --help"},
        {ERR_UNAUTHENTICATED, "swarmctl login URL"},
        {ERR_UNAVAILABLE, "swarmctl context list, and whether that central runs"},
        {ERR_PRECONDITION, "look again and repeat: somebody else was faster"},
    };
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (STEPS[i].code == code)
            return STEPS[i].step;
    return NULL;
}

static bool wants_json(const Cli *c)
{
    for (size_t i = 0; i < c->inv.nopts; i++)
        if (str_eq(c->inv.opts[i].spec->name, "output") && str_eq(c->inv.opts[i].value, "json"))
            return true;
    return false;
}

static void fail_as_json(const Error *err, const cJSON *body, const char *step)
{
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(body, "error");
    cJSON *root = cJSON_CreateObject();
    cJSON *e = theirs ? cJSON_Duplicate(theirs, true) : cJSON_CreateObject();
    if (!theirs) {
        cJSON_AddStringToObject(e, "code", err_name(err->code));
        cJSON_AddStringToObject(e, "message", err->msg);
    }
    cJSON_AddNumberToObject(e, "exit", err_exit(err->code));
    if (step)
        cJSON_AddStringToObject(e, "hint", step);
    cJSON_AddItemToObject(root, "error", e);
    char *text = cJSON_PrintUnformatted(root);
    fprintf(stderr, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

int cli_fail_json(const Cli *c, const Error *err, const cJSON *body)
{
    const char *step = next_step(err->code);
    if (wants_json(c)) {
        fail_as_json(err, body, step);
        return err_exit(err->code);
    }
    const char *red = c->color && c->tty_err ? "\033[31m" : "", *off = *red ? "\033[0m" : "";
    const cJSON *fields =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(body, "error"), "fields");
    int n = cJSON_GetArraySize(fields);
    if (n) /* the sentence would say what the list below says */
        fprintf(stderr, "%serror: %s:%s %d field%s\n", red, err_name(err->code), off, n,
                n == 1 ? " is not right" : "s are not right");
    else
        fprintf(stderr, "%serror: %s:%s %s\n", red, err_name(err->code), off, err->msg);
    const cJSON *f;
    cJSON_ArrayForEach(f, fields)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(f, "field"));
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(f, "value"));
        const char *want = cJSON_GetStringValue(cJSON_GetObjectItem(f, "want"));
        fprintf(stderr, "  %s: '%s': %s\n", str_or(name, "?"), str_or(value, ""), str_or(want, ""));
    }
    if (step)
        fprintf(stderr, "try: %s\n", step);
    return err_exit(err->code);
}

int cli_fail(const Cli *c, const Error *err)
{
    return cli_fail_json(c, err, NULL);
}

static bool answer_is(const char *want)
{
    char line[256];
    if (!fgets(line, sizeof line, stdin))
        return false;
    line[strcspn(line, "\r\n")] = 0;
    return str_eq(line, want) || (str_eq(want, "y") && (str_eq(line, "Y") || str_eq(line, "yes")));
}

static void ask(const Cli *c, const char *question)
{
    struct winsize w = {0};
    AUTO_STRBUF b = {0};
    if (c->tty_err)
        ioctl(STDERR_FILENO, TIOCGWINSZ, &w);
    out_fold(&b, question, w.ws_col);
    fputs(strbuf_str(&b), stderr);
}

int cli_confirm(const Cli *c, int tier, const char *name, const char *question)
{
    const char *given = cli_opt(c, "confirm");
    if (given && str_eq(given, name))
        return 0;
    if (tier < 3 && cli_flag(c, "yes"))
        return 0;
    /* Scripts and --yes do not reach tier 3: the name must be said. */
    if (!c->tty_in || cli_flag(c, "no-input")) {
        fprintf(stderr, "error: needs confirmation: %s\ntry: add %s%s\n", question,
                tier < 3 ? "--yes" : "--confirm ", tier < 3 ? "" : name);
        return EXIT_NEEDS_CONFIRM;
    }
    ask(c, question);
    if (tier == 1)
        fprintf(stderr, "Go on? [y/N] ");
    else
        fprintf(stderr, "Type %s to go on: ", name);
    fflush(stderr);
    if (answer_is(tier == 1 ? "y" : name))
        return 0;
    fprintf(stderr, "Nothing was changed.\n");
    return EXIT_NEGATIVE;
}
