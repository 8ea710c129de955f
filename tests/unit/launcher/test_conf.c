#include "conf.h"
#include "core/str.h"
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
    assert_int_equal(conf_render(&PATHS, &(ConfLines){0}, &b, &err), ERR_OK);
    assert_non_null(strstr(b.p, "\ninclude '/it''s/config/postgresql.conf'\n"));
    assert_non_null(strstr(b.p, "\nunix_socket_directories = '/run dir'\n"));
    assert_non_null(strstr(b.p, "\nprimary_conninfo = ''\n"));
    assert_null(strstr(b.p, "synchronous_standby_names"));
    /* Our lines stand behind the include, so that they win. */
    assert_true(strstr(b.p, "logging_collector") > strstr(b.p, "include"));
}

static void standby_file(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    Error err = {0};
    assert_int_equal(conf_render(&PATHS, &(ConfLines){.up = &UP}, &b, &err), ERR_OK);
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
    assert_int_equal(conf_render(&PATHS, &(ConfLines){.up = &up}, &b, &err), ERR_INVALID);
    up = UP;
    up.slot = "s'\narchive_command = 'x";
    assert_int_equal(conf_render(&PATHS, &(ConfLines){.up = &up}, &b, &err), ERR_INVALID);
    up = UP;
    up.port = 70000;
    assert_int_equal(conf_render(&PATHS, &(ConfLines){.up = &up}, &b, &err), ERR_INVALID);
}

static void sync_names_fence_and_epoch(void **state)
{
    (void)state;
    AUTO_STRBUF b = {0};
    AUTO_STRBUF h = {0};
    Error err = {0};
    ConfLines c = {.sync = "ANY 1 (\"db-1.e7\",\"db-2.e7\")", .promoted_epoch = 7};
    assert_int_equal(conf_render(&PATHS, &c, &b, &err), ERR_OK);
    assert_non_null(
        strstr(b.p, "\nsynchronous_standby_names = 'ANY 1 (\"db-1.e7\",\"db-2.e7\")'\n"));
    assert_non_null(strstr(b.p, "\npgswarm.promoted_epoch = '7'\n"));
    c.sync = "x\nfsync = off";
    assert_int_equal(conf_render(&PATHS, &c, &b, &err), ERR_INVALID);
    hba_render(SV("host all all all trust\n"), false, &h);
    assert_non_null(strstr(strbuf_str(&h), "host all all all trust"));
    strbuf_reset(&h);
    hba_render(SV("host all all all trust\n"), true, &h);
    assert_null(strstr(strbuf_str(&h), "trust"));
    assert_non_null(strstr(strbuf_str(&h), "host  all         all       all reject\n"));
    assert_true(strstr(strbuf_str(&h), "repl_user") < strstr(strbuf_str(&h), "reject"));
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
    assert_int_equal(s.sealed + s.promoting_from + s.promoted_epoch, 0);
    assert_true(stamp_parse(SV("role=standby\nepoch=9\nsystem_id=1\nsealed=10\n"
                               "promoting_from=3\npromoted_epoch=5\npromoted_timeline=2\n"),
                            &s));
    assert_int_equal(s.sealed, 10);
    assert_int_equal(s.promoting_from, 3);
    assert_int_equal(s.promoted_epoch, 5);
    assert_int_equal(s.promoted_timeline, 2);
    assert_false(stamp_parse(SV("role=standby\nepoch=9\nsystem_id=1\nsealed=?\n"), &s));
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

/* Every instant of a promotion, of a demotion, of a clone, and of somebody's pg_promote. */
static void what_the_data_is(void **state)
{
    (void)state;
    static const struct {
        LpRole stamp;
        uint32_t promoting_from, ckpt, min;
        LpDb db;
        bool signal, label;
        LpData kind;
        LpRole role;
    } ROWS[] = {
        /* a primary that ran, crashed, was shut down */
        {LP_ROLE_PRIMARY, 0, 1, 0, LP_DB_IN_PRODUCTION, 0, 0, LP_DATA_READY, LP_ROLE_PRIMARY},
        {LP_ROLE_PRIMARY, 0, 1, 0, LP_DB_SHUTDOWNED, 0, 0, LP_DATA_READY, LP_ROLE_PRIMARY},
        /* being demoted: standby.signal first, then the stamp */
        {LP_ROLE_PRIMARY, 0, 1, 0, LP_DB_SHUTDOWNED, 1, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        {LP_ROLE_STANDBY, 0, 1, 0, LP_DB_SHUTDOWNED, 1, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        {LP_ROLE_STANDBY, 0, 1, 1, LP_DB_IN_ARCHIVE_RECOVERY, 1, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        /* promotion from timeline 2: asked; history written; standby.signal gone */
        {LP_ROLE_STANDBY, 2, 1, 2, LP_DB_IN_ARCHIVE_RECOVERY, 1, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        {LP_ROLE_STANDBY, 2, 2, 2, LP_DB_IN_ARCHIVE_RECOVERY, 0, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        /* end of recovery recorded on 3; in production; checkpointed; shut down */
        {LP_ROLE_STANDBY, 2, 2, 3, LP_DB_IN_ARCHIVE_RECOVERY, 0, 0, LP_DATA_READY, LP_ROLE_PRIMARY},
        {LP_ROLE_STANDBY, 2, 2, 3, LP_DB_IN_PRODUCTION, 0, 0, LP_DATA_READY, LP_ROLE_PRIMARY},
        {LP_ROLE_STANDBY, 2, 3, 0, LP_DB_SHUTDOWNED, 0, 0, LP_DATA_READY, LP_ROLE_PRIMARY},
        /* standby.signal put back after a promotion that came far: a standby again */
        {LP_ROLE_STANDBY, 2, 2, 3, LP_DB_IN_ARCHIVE_RECOVERY, 1, 0, LP_DATA_READY, LP_ROLE_STANDBY},
        /* a clone that was never started, of an old launcher: no standby.signal yet */
        {LP_ROLE_STANDBY, 0, 1, 0, LP_DB_IN_PRODUCTION, 0, 1, LP_DATA_READY, LP_ROLE_STANDBY},
        {LP_ROLE_PRIMARY, 0, 1, 0, LP_DB_IN_PRODUCTION, 0, 1, LP_DATA_READY, LP_ROLE_STANDBY},
        /* promoted by nobody's order */
        {LP_ROLE_STANDBY, 0, 2, 3, LP_DB_IN_PRODUCTION, 0, 0, LP_DATA_MARKED, LP_ROLE_STANDBY},
        {LP_ROLE_STANDBY, 0, 3, 0, LP_DB_SHUTDOWNED, 0, 0, LP_DATA_MARKED, LP_ROLE_STANDBY},
        /* the same, killed before it was in production */
        {LP_ROLE_STANDBY, 0, 2, 2, LP_DB_IN_ARCHIVE_RECOVERY, 0, 0, LP_DATA_MARKED,
         LP_ROLE_STANDBY},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        DataInfo d = {
            .stamp = {.role = ROWS[i].stamp, .promoting_from = ROWS[i].promoting_from},
            .control = {.timeline = ROWS[i].ckpt, .min_timeline = ROWS[i].min, .state = ROWS[i].db},
            .standby_signal = ROWS[i].signal,
            .backup_label = ROWS[i].label};
        LpRole role;
        LpData kind = datadir_judge(&d, &role);
        if (kind != ROWS[i].kind || role != ROWS[i].role)
            fail_msg("row %zu: kind %d role %d", i, kind, role);
    }
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
        cmocka_unit_test(sync_names_fence_and_epoch),
        cmocka_unit_test(what_the_data_is),
        cmocka_unit_test(password_file),
        cmocka_unit_test(stamps_and_journals),
        cmocka_unit_test(permits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
