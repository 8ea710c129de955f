#include "cmd.h"

#include "core/vec.h"
#include <stdio.h>

typedef struct Parser {
    Arena *a;
    const char *const *argv;
    size_t argc, at;
    Invocation *inv;
    VEC(const char *) words; /* not options: command words first, then arguments */
    VEC(OptValue) opts;
    Error *err;
} Parser;

/* Does `alias` ("cl list|clusters") contain exactly `path`? */
static bool alias_matches(const char *aliases, const char *path)
{
    StrView rest = sv(aliases ? aliases : "");
    while (rest.n)
        if (sv_eqs(sv_cut(&rest, '|'), path))
            return true;
    return false;
}

const CmdSpec *cmd_find(const char *path)
{
    for (size_t i = 0; CMD_TABLE[i]; i++)
        if (str_eq(CMD_TABLE[i]->path, path) || alias_matches(CMD_TABLE[i]->aliases, path))
            return CMD_TABLE[i];
    return NULL;
}

static const OptSpec *find_in(const OptSpec *list, const char *name, size_t n, char letter)
{
    for (; list && list->name; list++)
        if (letter ? list->letter == letter
                   : strlen(list->name) == n && memcmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

static const OptSpec *find_opt(const CmdSpec *cmd, const char *name, size_t n, char letter)
{
    const OptSpec *o = cmd ? find_in(cmd->opts, name, n, letter) : NULL;
    return o ? o : find_in(CMD_COMMON, name, n, letter);
}

const OptSpec *cmd_option(const CmdSpec *cmd, const char *name)
{
    return find_opt(cmd, name, strlen(name), 0);
}

static bool choice_ok(const char *choices, const char *value)
{
    StrView rest = sv(choices);
    while (rest.n) {
        StrView one = sv_cut(&rest, '|');
        if (sv_eqs(one, value) || (sv_ends(one, "=") && str_starts(value, "jsonpath=")))
            return true;
    }
    return false;
}

static ErrCode no_such_option(const CmdSpec *cmd, const char *word, Error *err)
{
    const char *names[96];
    size_t n = 0;
    for (const OptSpec *o = cmd ? cmd->opts : NULL; o && o->name && n < 60; o++)
        names[n++] = o->name;
    for (const OptSpec *o = CMD_COMMON; o->name && n < 95; o++)
        names[n++] = o->name;
    names[n] = NULL;
    const char *near = str_nearest(word, names);
    return err_set(err, ERR_USAGE, "no option --%s%s%s%s%s", word, cmd ? " in " : "",
                   cmd ? cmd->path : "", near ? "; did you mean --" : "", near ? near : "");
}

static ErrCode add_opt(Parser *p, const OptSpec *spec, const char *value)
{
    if (spec->choices && !choice_ok(spec->choices, value))
        return err_set(p->err, ERR_USAGE, "--%s: '%s' is not one of %s", spec->name, value,
                       spec->choices);
    for (size_t i = 0; i < p->opts.n && !spec->many; i++)
        if (p->opts.at[i].spec == spec && spec->arg)
            return err_set(p->err, ERR_USAGE, "--%s is given twice", spec->name);
    vec_push(&p->opts, ((OptValue){spec, value}));
    return ERR_OK;
}

static ErrCode take_value(Parser *p, const OptSpec *spec, const char *inline_value)
{
    if (!spec->arg) {
        if (inline_value)
            return err_set(p->err, ERR_USAGE, "--%s takes no value", spec->name);
        return add_opt(p, spec, "");
    }
    if (!inline_value) {
        if (p->at >= p->argc)
            return err_set(p->err, ERR_USAGE, "--%s needs a value: %s", spec->name, spec->arg);
        inline_value = p->argv[p->at++];
    }
    return add_opt(p, spec, inline_value);
}

static ErrCode long_option(Parser *p, const CmdSpec *cmd, const char *word)
{
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : strlen(word);
    const OptSpec *spec = find_opt(cmd, word, n, 0);
    if (!spec)
        return no_such_option(cmd, arena_strndup(p->a, word, n), p->err);
    return take_value(p, spec, eq ? eq + 1 : NULL);
}

static ErrCode short_options(Parser *p, const CmdSpec *cmd, const char *word)
{
    for (; *word; word++) {
        const OptSpec *spec = find_opt(cmd, NULL, 0, *word);
        if (!spec)
            return err_set(p->err, ERR_USAGE, "no option -%c", *word);
        if (spec->arg)
            return take_value(p, spec, word[1] == '=' ? word + 2 : word[1] ? word + 1 : NULL);
        ErrCode rc = take_value(p, spec, NULL);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

/* The longest prefix of the words that names a command; how many words it took. */
static const CmdSpec *longest_command(Arena *a, const char *const *words, size_t n,
                                      size_t *ret_took)
{
    const CmdSpec *found = NULL;
    const char *path = "";
    for (size_t i = 0; i < n && i < 3; i++) {
        path = *path ? arena_printf(a, "%s %s", path, words[i]) : words[i];
        const CmdSpec *c = cmd_find(path);
        if (c)
            found = c, *ret_took = i + 1;
    }
    return found;
}

static bool is_group(const char *word)
{
    for (const CmdGroup *g = CMD_GROUPS; g->noun; g++)
        if (str_eq(g->noun, word))
            return true;
    return false;
}

static ErrCode unknown_command(Parser *p)
{
    const char *names[160];
    size_t n = 0;
    bool group = is_group(p->words.at[0]);
    const char *typed = group && p->words.n > 1
                            ? arena_printf(p->a, "%s %s", p->words.at[0], p->words.at[1])
                            : p->words.at[0];
    for (size_t i = 0; CMD_TABLE[i] && n < 120; i++)
        if (!CMD_TABLE[i]->hidden)
            names[n++] = CMD_TABLE[i]->path;
    for (const CmdGroup *g = CMD_GROUPS; g->noun && n < 159; g++)
        names[n++] = g->noun;
    names[n] = NULL;
    const char *near = str_nearest(typed, names);
    if (near)
        return err_set(p->err, ERR_USAGE, "no command '%s'; did you mean '%s'", typed, near);
    return err_set(p->err, ERR_USAGE, "no command '%s'; see swarmctl%s%s --help", typed,
                   group ? " " : "", group ? p->words.at[0] : "");
}

static ErrCode check_args(Parser *p)
{
    const CmdSpec *cmd = p->inv->cmd;
    size_t need = 0, most = 0;
    bool many = false;
    for (const ArgSpec *s = cmd->args; s && s->name; s++) {
        need += !s->optional;
        most++;
        many |= s->many;
    }
    if (p->inv->help)
        return ERR_OK;
    if (p->inv->nargs < need)
        return err_set(p->err, ERR_USAGE, "%s needs %s", cmd->path, cmd->args[p->inv->nargs].name);
    if (p->inv->nargs > most && !many)
        return err_set(p->err, ERR_USAGE, "%s: '%s' is one argument too many", cmd->path,
                       p->inv->args[most]);
    return ERR_OK;
}

/* Options may stand before, between and behind the words, so the command is looked for first,
 * skipping options and, for those known to take one, their values. */
static const CmdSpec *peek_command(Parser *p)
{
    const char *words[3];
    size_t n = 0, took;
    for (size_t i = 0; i < p->argc && n < 3; i++) {
        const char *w = p->argv[i];
        if (str_eq(w, "--"))
            break;
        if (w[0] != '-' || !w[1]) {
            words[n++] = w;
            continue;
        }
        const OptSpec *o =
            w[1] == '-' ? find_opt(NULL, w + 2, strlen(w + 2), 0) : find_opt(NULL, NULL, 0, w[1]);
        if (o && o->arg && (w[1] == '-' || !w[2]))
            i++;
        else if (!o && n) /* an option of the command itself: the words before it must do */
            break;
    }
    return longest_command(p->a, words, n, &took);
}

static ErrCode parse_words(Parser *p, const CmdSpec *cmd)
{
    bool ended = false;
    while (p->at < p->argc) {
        const char *w = p->argv[p->at++];
        ErrCode rc = ERR_OK;
        if (ended) {
            vec_push(&p->words, w);
        } else if (str_eq(w, "--")) {
            ended = true;
            if (cmd && cmd->passthrough) {
                p->inv->rest =
                    arena_memdup(p->a, p->argv + p->at, (p->argc - p->at + 1) * sizeof *p->argv);
                p->inv->nrest = p->argc - p->at;
                return ERR_OK;
            }
        } else if (w[0] == '-' && w[1] == '-') {
            rc = long_option(p, cmd, w + 2);
        } else if (w[0] == '-' && w[1]) {
            rc = short_options(p, cmd, w + 1);
        } else {
            vec_push(&p->words, w);
        }
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static void note_globals(Parser *p)
{
    for (size_t i = 0; i < p->opts.n; i++) {
        p->inv->help |= str_eq(p->opts.at[i].spec->name, "help");
        p->inv->version |= str_eq(p->opts.at[i].spec->name, "version");
    }
}

static ErrCode finish(Parser *p)
{
    Invocation *inv = p->inv;
    size_t took = 0;
    note_globals(p);
    inv->opts = arena_memdup(p->a, p->opts.at, p->opts.n * sizeof *p->opts.at);
    inv->nopts = p->opts.n;
    inv->cmd = longest_command(p->a, p->words.at, p->words.n, &took);
    inv->args = arena_array(p->a, const char *, p->words.n + 1);
    for (size_t i = took; i < p->words.n; i++)
        inv->args[inv->nargs++] = p->words.at[i];
    if (inv->cmd)
        return check_args(p);
    if (p->words.n == 0)
        return ERR_OK;
    if (p->words.n == 1 && is_group(p->words.at[0])) {
        inv->group = p->words.at[0];
        return ERR_OK;
    }
    return unknown_command(p);
}

ErrCode cmd_parse(Arena *a, size_t argc, const char *const *argv, Invocation *ret, Error *err)
{
    Parser p = {.a = a, .argv = argv, .argc = argc, .inv = ret, .err = err};
    *ret = (Invocation){0};
    ErrCode rc = parse_words(&p, peek_command(&p));
    if (rc == ERR_OK)
        rc = finish(&p);
    vec_done(&p.words);
    vec_done(&p.opts);
    return rc;
}
