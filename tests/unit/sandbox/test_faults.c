/* What a process of a pod is, by what the kernel says of it. */
#include "faults/procs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_roles(void **state)
{
    (void)state;
    static const struct {
        const char *comm, *title;
        bool of_postgres;
        ProcRole want;
    } rows[] = {
        {"postgres", "/usr/lib/postgresql/15/bin/postgres", false, PROC_POSTMASTER},
        {"postgres", "postgres: db-0: walsender repl_user 198.18.0.7(4711) streaming", true,
         PROC_WALSENDER},
        {"postgres", "postgres: walsender repl_user 198.18.0.7(4711) streaming", true,
         PROC_WALSENDER},
        {"postgres", "postgres: db-1: walreceiver streaming 0/3000060", true, PROC_WALRECEIVER},
        {"postgres", "postgres: db-1: startup recovering 000000010000000000000004", true,
         PROC_STARTUP},
        {"postgres", "postgres: db-1: autovacuum launcher ", true, PROC_PG_AUX},
        {"postgres", "postgres: db-1: logical replication launcher ", true, PROC_PG_AUX},
        {"postgres", "postgres: db-0: checkpointer ", true, PROC_CHECKPOINTER},
        {"postgres", "postgres: db-0: walter shop 127.0.0.1(5) idle", true, PROC_BACKEND},
        {"postgres", "postgres: postgres postgres [local] idle", true, PROC_BACKEND},
        {"postgres", "", true, PROC_PG_AUX},
        {"pg-swarm-launch", "/pgswarm/bin/pg-swarm-launcher", false, PROC_LAUNCHER},
        {"pg-swarm-failov", "/usr/local/bin/pg-swarm-failover-sidecar", false, PROC_SIDECAR},
        {"pg_rewind", "pg_rewind", false, PROC_REWIND},
        {"pg_basebackup", "pg_basebackup", false, PROC_BASEBACKUP},
        {"python3", "python3", false, PROC_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(
            proc_role_name(proc_role(rows[i].comm, rows[i].title, rows[i].of_postgres)),
            proc_role_name(rows[i].want));
}

static void test_words(void **state)
{
    (void)state;
    assert_true(proc_matches("postgres", PROC_BACKEND));
    assert_true(proc_matches("postgres", PROC_POSTMASTER));
    assert_false(proc_matches("postgres", PROC_LAUNCHER));
    assert_false(proc_matches("postmaster", PROC_BACKEND));
    assert_true(proc_matches("all", PROC_OTHER));
    assert_true(proc_word_known("pg_rewind"));
    assert_false(proc_word_known("postmater"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_roles), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
