/* The command line: what parses, what is refused, and with which words. */
#include "cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

/* Parse a line of words divided by one blank. */
static ErrCode parse(Arena *a, const char *line, Invocation *inv, Error *err)
{
    const char *argv[WORDS_MAX + 1] = {0};
    size_t n = 0;
    for (StrView rest = sv(line); rest.n && n < WORDS_MAX;)
        argv[n++] = sv_dup(a, sv_cut(&rest, ' '));
    return cmd_parse(a, n, argv, inv, err);
}

static void commands_and_aliases(void **state)
{
    static const char *const CASES[][2] = {
        {"cluster list", "cluster list"},
        {"cl ls", "cluster list"},
        {"get clusters", "cluster list"},
        {"-o json cluster list", "cluster list"},
        {"cluster -o json list", "cluster list"},
        {"describe cluster x", "cluster show"},
        {"psql x", "psql"},
        {"cluster psql x -r replica", "psql"},
        {"sandbox up", "sandbox up"},
        {"context", "context list"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AUTO_ARENA a = arena_new();
        Invocation inv;
        Error err = {0};
        if (parse(a, CASES[i][0], &inv, &err))
            fail_msg("%s: %s", CASES[i][0], err.msg);
        assert_string_equal(inv.cmd->path, CASES[i][1]);
    }
}

static void arguments_stand_behind_the_command(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Invocation inv;
    Error err;
    assert_int_equal(parse(a, "satellite label edge-a -o json tier=edge old-", &inv, &err), ERR_OK);
    assert_int_equal(inv.nargs, 3);
    assert_string_equal(inv.args[0], "edge-a");
    assert_string_equal(inv.args[2], "old-");
    assert_int_equal(inv.nopts, 1);
    assert_string_equal(inv.opts[0].value, "json");
}

static void passthrough_keeps_what_follows(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Invocation inv;
    Error err;
    assert_int_equal(parse(a, "psql x --role=replica -- -c --help", &inv, &err), ERR_OK);
    assert_int_equal(inv.nrest, 2);
    assert_string_equal(inv.rest[1], "--help");
    assert_false(inv.help);
    assert_int_equal(inv.nargs, 1);
}

static void option_forms(void **state)
{
    static const char *const FORMS[] = {"cluster list -ojson -q", "cluster list -q -o=json",
                                        "cluster list --output=json --quiet",
                                        "cluster list -qo json"};
    (void)state;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        AUTO_ARENA a = arena_new();
        Invocation inv;
        Error err = {0};
        if (parse(a, FORMS[i], &inv, &err))
            fail_msg("%s: %s", FORMS[i], err.msg);
        assert_int_equal(inv.nopts, 2);
    }
}

static void refusals_say_what_is_right(void **state)
{
    static const char *const CASES[][2] = {
        {"clutser list", "did you mean 'cluster"},
        {"cluster lst", "did you mean 'cluster list'"},
        {"cluster list --stat x", "did you mean --state"},
        {"cluster list --state broken", "'broken' is not one of"},
        {"cluster list -o xml", "'xml' is not one of"},
        {"cluster show", "cluster show needs CLUSTER"},
        {"cluster show a b", "'b' is one argument too many"},
        {"cluster list --state", "--state needs a value"},
        {"cluster list --quiet=yes", "--quiet takes no value"},
        {"cluster list --state failed --state running", "--state is given twice"},
        {"cluster list -Z", "no option -Z"},
        {"frobnicate", "no command 'frobnicate'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AUTO_ARENA a = arena_new();
        Invocation inv;
        Error err = {0};
        assert_int_equal(parse(a, CASES[i][0], &inv, &err), ERR_USAGE);
        if (!strstr(err.msg, CASES[i][1]))
            fail_msg("%s: '%s' lacks '%s'", CASES[i][0], err.msg, CASES[i][1]);
    }
}

static void jsonpath_is_a_format(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Invocation inv;
    Error err;
    const char *argv[] = {"cluster", "list", "-o", "jsonpath={.items[*].name}", NULL};
    assert_int_equal(cmd_parse(a, 4, argv, &inv, &err), ERR_OK);
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        const CmdSpec *c = CMD_TABLE[i];
        assert_non_null(c->run);
        assert_true(*c->summary && !str_ends(c->summary, "."));
        assert_ptr_equal(cmd_find(c->path), c);
        bool optional = false;
        for (const ArgSpec *s = c->args; s && s->name; s++) {
            assert_false(
                optional &&
                !s->optional); /* a needed one behind an optional one cannot be told apart */
            optional |= s->optional;
        }
        for (const OptSpec *o = c->opts; o && o->name; o++) {
            assert_true(*o->help);
            assert_int_equal(o->choices != NULL, o->comp == COMP_CHOICE);
            for (const OptSpec *g = CMD_COMMON; g->name; g++) {
                assert_string_not_equal(g->name, o->name);
                if (o->letter && g->letter == o->letter)
                    fail_msg("%s: -%c is taken", c->path, o->letter);
            }
        }
    }
}

static void help_and_man_cover_every_row(void **state)
{
    (void)state;
    AUTO_STRBUF top = {0}, list = {0};
    Error err;
    cmd_help(&(Invocation){0}, &top);
    assert_int_equal(cmd_dump("man-list", &list, &err), ERR_OK);
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        AUTO_STRBUF page = {0}, name = {0};
        if (CMD_TABLE[i]->hidden)
            continue;
        assert_non_null(strstr(top.p, CMD_TABLE[i]->path));
        strbuf_addf(&name, "man:swarmctl-%s", CMD_TABLE[i]->path);
        for (char *p = name.p; *p; p++)
            if (*p == ' ')
                *p = '-';
        assert_int_equal(cmd_dump(name.p, &page, &err), ERR_OK);
        assert_non_null(strstr(page.p, ".SH SYNOPSIS"));
        assert_non_null(strstr(list.p, name.p + 4));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_aliases),
        cmocka_unit_test(arguments_stand_behind_the_command),
        cmocka_unit_test(passthrough_keeps_what_follows),
        cmocka_unit_test(option_forms),
        cmocka_unit_test(refusals_say_what_is_right),
        cmocka_unit_test(jsonpath_is_a_format),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(help_and_man_cover_every_row),
    };
    return cmocka_run_group_tests_name("cli parse", tests, NULL, NULL);
}
