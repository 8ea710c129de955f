#include "model/hba.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void reads_what_postgresql_reads(void **state)
{
    (void)state;
    static const char *const good[] = {
        "local all all peer",
        "local\tall\tall\tscram-sha-256",
        "host all all 10.0.0.0/8 md5",
        "host all all 10.0.0.0 255.0.0.0 md5",
        "host all all ::1/128 scram-sha-256",
        "host all all all reject # nobody",
        "hostssl app,\"Other DB\" +group,user 192.0.2.0/24 cert map=x",
        "host replication repl samenet scram-sha-256",
        "host sameuser all db.example.com scram-sha-256",
        "host all all .example.com ident map=m",
        "hostgssenc all all 0.0.0.0/0 gss include_realm=0",
        "host all all samehost ldap ldapserver=x ldapprefix=\"cn=\"",
        "hostnossl all all 10.1.2.3/32 password",
        "host a, b c 10.0.0.0/8 md5",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        AUTO_ARENA a = arena_new();
        HbaRule r;
        Error err = {0};
        if (hba_parse(a, good[i], 15, &r, &err))
            fail_msg("%s: %s", good[i], err.msg);
        /* Written and read again it is the same. */
        HbaRule again;
        char *text = hba_text(a, &r);
        if (hba_parse(a, text, 15, &again, &err))
            fail_msg("%s: %s", text, err.msg);
        assert_string_equal(hba_text(a, &again), text);
    }
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "hots all all 10.0.0.0/8 md5",
        "host all all md5",
        "host all all 10.0.0.0/33 md5",
        "host all all 10.0.0.0 md5",
        "host all all 10.0.0.0 255.0.255.0 md5",
        "host all all 300.0.0.1/8 md5",
        "local all all 10.0.0.0/8 md5",
        "host all all 10.0.0.0/8 peer",
        "host all all 10.0.0.0/8 cert",
        "local all all gss",
        "host all all 10.0.0.0/8 magic",
        "host @file all 10.0.0.0/8 md5",
        "host /re all 10.0.0.0/8 md5",
        "host all \"all 10.0.0.0/8 md5",
        "host all all 10.0.0.0/8 md5 option",
        "host all all 10.0.0.0/8 ldap",
        "host all, all 10.0.0.0/8",
        "host all all 10.0.0.0/8 md5\nlocal all all trust",
        "host all all 10.0.0.0/8 md5 \\",
        "host all all 10.0.0.0/8",
        "host",
        "include other.conf",
        "host all all a/b md5",
        "host all all 10.0.0.0/8 sspi",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA a = arena_new();
        HbaRule r;
        Error err = {0};
        if (hba_parse(a, bad[i], 15, &r, &err) != ERR_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.msg[0]);
    }
}

static void majors_differ(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    HbaRule r;
    Error err = {0};
    assert_int_equal(hba_parse(a, "host /^db all 10.0.0.0/8 md5", 16, &r, &err), ERR_OK);
    assert_int_equal(hba_parse(a, "host all all all oauth issuer=x scope=y", 18, &r, &err), ERR_OK);
    assert_int_equal(hba_parse(a, "host all all all oauth issuer=x scope=y", 17, &r, &err),
                     ERR_INVALID);
}

static void blank_lines_are_no_rules(void **state)
{
    (void)state;
    static const char *const none[] = {"", "   ", "# text", "\t# host all all all trust"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        AUTO_ARENA a = arena_new();
        HbaRule r;
        assert_int_equal(hba_parse(a, none[i], 15, &r, NULL), ERR_NOT_FOUND);
    }
}

static void quoting_takes_the_meaning_away(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    assert_string_equal(hba_quote(a, "all"), "\"all\"");
    assert_string_equal(hba_quote(a, "a b,c"), "\"a b,c\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_postgresql_reads),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(majors_differ),
        cmocka_unit_test(blank_lines_are_no_rules),
        cmocka_unit_test(quoting_takes_the_meaning_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
