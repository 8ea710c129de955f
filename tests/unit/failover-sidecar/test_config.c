/* What the pod tells the sidecar: environment once, the number of members whenever the ConfigMap
 * changes. */
#include "config.h"

#include "core/file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void pod_env(const char *config_dir)
{
    setenv("POD_NAME", "pg-2", 1);
    setenv("POD_NAMESPACE", "databases", 1);
    setenv("POD_IP", "198.18.0.9", 1);
    setenv("CLUSTER_NAME", "pg", 1);
    setenv("PGSWARM_CONFIG_DIR", config_dir, 1);
    unsetenv("REPLICAS");
}

static void members_say(const char *path, const char *text)
{
    Error err;
    assert_int_equal(file_write_atomic(path, sv(text), 0644, &err), ERR_OK);
}

static void members_follow_the_configmap(void **state)
{
    static const struct {
        const char *text;
        unsigned want;
    } CASES[] = {{"5\n", 5}, {"3", 3}, {"0", 3}, {"16", 3}, {"many", 3}, {"", 3}, {"15", 15}};
    (void)state;
    AUTO_ARENA a = arena_new();
    char dir[] = "/tmp/pgswarm-unit-XXXXXX";
    Error err = {0};
    Config c;
    assert_non_null(mkdtemp(dir));
    const char *path = arena_printf(a, "%s/members", dir);
    pod_env(dir);
    assert_int_equal(config_load(a, &c, &err), ERR_OK);
    assert_int_equal(c.replicas, 1); /* nobody says: alone */
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        members_say(path, CASES[i].text);
        config_members(&c);
        assert_int_equal(c.replicas, CASES[i].want);
    }
    assert_int_equal(config_load(a, &c, &err), ERR_OK);
    assert_int_equal(c.replicas, 15);
    unlink(path);
    rmdir(dir);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err = {0};
    Config c;
    pod_env("/nonexistent");
    setenv("POD_NAME", "pg", 1);
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "POD_NAME"));
    setenv("POD_NAME", "pg-0", 1);
    setenv("REPLICAS", "99", 1);
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "99"));
    unsetenv("REPLICAS");
    unsetenv("POD_IP");
    assert_int_equal(config_load(a, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "POD_IP"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_follow_the_configmap),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests_name("sidecar config", tests, NULL, NULL);
}
