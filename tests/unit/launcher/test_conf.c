#include "conf.h"
#include "datadir.h"
#include "journal.h"
#include "postmaster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const Paths PATHS = {.config = "/it's/config",
                            .run = "/run dir",
                            .passfile = "/run dir/replication.pgpass",
                            .member = "prod-pg-1",
                            .pg_port = "5432"};
static const Upstream UP = {.host = "198.18.0.5",
                            .leader = "prod-pg-0",
                            .user = "repl_user",
                            .slot = "member_1",
                            .port = 5432,
                            .epoch = 7};

static void primary_file(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    Error err = {0};
    assert_int_equal(conf_render(&PATHS, NULL, &b, &err), ERR_OK);
    assert_non_null(strstr(b.p, "\ninclude '/it''s/config/postgresql.conf'\n"));
    assert_non_null(strstr(b.p, "\nunix_socket_directories = '/run dir'\n"));
    assert_null(strstr(b.p, "primary_conninfo"));
    /* Our lines stand behind the include, so that they win. */
    assert_true(strstr(b.p, "logging_collector") > strstr(b.p, "include"));
}

static void standby_file(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    Error err = {0};
    assert_int_equal(conf_render(&PATHS, &UP, &b, &err), ERR_OK);
    assert_non_null(strstr(b.p, "primary_conninfo = 'host=''198.18.0.5'' port=''5432'' "
                                "user=''repl_user'' passfile=''/run dir/replication.pgpass'' "
                                "application_name=''prod-pg-1.e7''"));
    assert_non_null(strstr(b.p, "\nprimary_slot_name = 'member_1'\n"));
    assert_non_null(strstr(b.p, "# following prod-pg-0 at epoch 7\n"));
}

static void nothing_slips_out_of_quotes(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    Error err = {0};
    Upstream up = UP;
    up.host = "h' archive_command='x\\";
    assert_int_equal(conninfo_render(&PATHS, &up, &b, &err), ERR_OK);
    assert_non_null(strstr(b.p, "host='h\\' archive_command=\\'x\\\\' port"));
    up = UP;
    up.leader = "a\nfsync = off";
    assert_int_equal(conf_render(&PATHS, &up, &b, &err), ERR_INVALID);
    up = UP;
    up.slot = "s'\narchive_command = 'x";
    assert_int_equal(conf_render(&PATHS, &up, &b, &err), ERR_INVALID);
    up = UP;
    up.port = 70000;
    assert_int_equal(conf_render(&PATHS, &up, &b, &err), ERR_INVALID);
}

static void password_file(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    Error err = {0};
    assert_int_equal(passfile_render("repl_user", "a:b\\c", &b, &err), ERR_OK);
    assert_string_equal(b.p, "*:*:*:repl_user:a\\:b\\\\c\n");
    assert_int_equal(passfile_render("u", "two\nlines", &b, &err), ERR_INVALID);
    assert_null(strstr(err.msg, "two"));
    assert_int_equal(passfile_render("u", "", &b, &err), ERR_INVALID);
}

static void stamps_and_journals(void **state)
{
    (void)state;
    Stamp s;
    assert_true(stamp_parse(SV("role=standby\nepoch=9\nsystem_id=18446744073709551615\n"), &s));
    assert_int_equal(s.role, LP_ROLE_STANDBY);
    assert_true(s.system_id == UINT64_MAX);
    assert_false(stamp_parse(SV("role=standby\nepoch=9\n"), &s));
    assert_false(stamp_parse(SV("role=boss\nepoch=9\nsystem_id=1\n"), &s));
    assert_false(stamp_parse(SV("role=primary\nepoch=x\nsystem_id=1\n"), &s));
    Journal j;
    assert_true(journal_parse(SV("job=initdb\nstep=swap\nid=0123456789abcdef\n"), &j));
    assert_int_equal(j.step, STEP_SWAP);
    assert_false(journal_parse(SV("job=initdb\nstep=swap\nid=../../../../etc/a\n"), &j));
    assert_false(journal_parse(SV("job=initdb\nstep=swap\nid=../../../../etc\n"), &j));
    assert_false(journal_parse(SV("step=swap\nid=0123456789abcdef\n"), &j));
}

static void permits(void **state)
{
    (void)state;
    Error err = {0};
    Postmaster pm = {.role = LP_ROLE_PRIMARY, .epoch = 4};
    assert_int_equal(pm_permit(&pm, 3, 2000, 1000, &err), ERR_CONFLICT);
    assert_int_equal(pm_permit(&pm, 4, 1000, 1000, &err), ERR_TIMEOUT);
    assert_int_equal(pm_permit(&pm, 4, 1001 + PM_PERMIT_MAX_MS, 1000, &err), ERR_INVALID);
    assert_int_equal(pm_permit(&pm, 5, 2000, 1000, &err), ERR_OK);
    assert_int_equal(pm.epoch, 5);
    assert_int_equal(pm.deadline, 2000);
    assert_true(pm_next(&pm) == UINT64_MAX); /* nothing runs */
    pm.state = LP_PG_UP;
    assert_true(pm_next(&pm) == 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(primary_file),
        cmocka_unit_test(standby_file),
        cmocka_unit_test(nothing_slips_out_of_quotes),
        cmocka_unit_test(password_file),
        cmocka_unit_test(stamps_and_journals),
        cmocka_unit_test(permits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
