/* The deciding halves of central: what to send, what a notification says, limits, sealing, options.
 */
#include "changes.h"
#include "config.h"
#include "fleet/outbox.h"
#include "seal.h"
#include "svc/ratelimit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_outbox(void **state)
{
    (void)state;
    static const struct {
        OutboxRow row;
        int64_t site, sent;
        OutboxVerdict want;
    } rows[] = {
        {{5, 0, false}, -1, 0, OUTBOX_CONFIG}, /* new to the site */
        {{5, 5, false}, -1, 0, OUTBOX_CONFIG}, /* acknowledged once, but the site lost it */
        {{5, 4, false}, 5, 0, OUTBOX_NOTHING}, /* applied, the acknowledgement was lost */
        {{5, 4, false}, 7, 0, OUTBOX_NOTHING}, /* further than we are */
        {{5, 4, false}, 4, 5, OUTBOX_NOTHING}, /* on its way */
        {{6, 4, false}, 4, 5, OUTBOX_CONFIG},  /* and newer still */
        {{6, 5, true}, 5, 5, OUTBOX_DELETE},   /* a tombstone */
        {{6, 6, true}, 6, 0, OUTBOX_DELETE},   /* answered, but not yet gone: asked again */
        {{6, 5, true}, -1, 0, OUTBOX_DELETE},  /* the site knows nothing: it says DELETED at once */
        {{6, 5, true}, 5, 6, OUTBOX_NOTHING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(outbox_decide(rows[i].row, rows[i].site, rows[i].sent), rows[i].want);
}

static void test_changes(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Change c;
    assert_true(change_parse(a, "clusters U c-id s-id", &c));
    assert_int_equal(c.kind, CHANGE_CLUSTER);
    assert_int_equal(c.op, 'U');
    assert_string_equal(c.id, "c-id");
    assert_string_equal(c.satellite_id, "s-id");
    assert_true(change_parse(a, "streams D 42 s-id", &c));
    assert_int_equal(c.epoch, 42);
    assert_true(change_parse(a, "health U a,b,c", &c));
    assert_string_equal(c.ids[2], "c");
    assert_null(c.ids[3]);
    assert_true(change_parse(a, "events I 10-12", &c));
    assert_int_equal(c.first, 10);
    assert_int_equal(c.last, 12);
    static const char *const bad[] = {"",           "x",           "nosuch U id",  "clusters UU id",
                                      "clusters U", "events I 10", "events I a-b", "streams U x s",
                                      "events I 1-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(change_parse(a, bad[i], &c));
}

static void test_ratelimit(void **state)
{
    (void)state;
    RateLimit *r = ratelimit_new(3, 1000);
    for (int i = 0; i < 3; i++) {
        assert_true(ratelimit_ok(r, "a", 5000));
        ratelimit_hit(r, "a", 5000);
    }
    assert_false(ratelimit_ok(r, "a", 5999));
    assert_true(ratelimit_ok(r, "b", 5999));
    assert_true(ratelimit_ok(r, "a", 6000));
    ratelimit_hit(r, "a", 6000);
    assert_true(ratelimit_ok(r, "a", 6000));
    char key[32];
    for (int i = 0; i < 30000; i++) { /* a flood of addresses stays within bounds */
        snprintf(key, sizeof key, "k%d", i);
        ratelimit_hit(r, key, 7000);
    }
    ratelimit_free(r);
    AUTO_ARENA a = arena_new();
    assert_string_equal(ratelimit_key(a, "192.0.2.7:4711"), "192.0.2.7");
    assert_string_equal(ratelimit_key(a, "[2001:db8:1:2:3:4:5:6]:4711"), "[2001:db8:1:2");
    assert_string_equal(ratelimit_key(a, "[2001:db8:1:2:9:9:9:9]:1"), "[2001:db8:1:2");
    assert_string_equal(ratelimit_key(a, "unix"), "unix");
}

static void test_seal(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    char dir[] = "/tmp/pgswarm-seal-XXXXXX", one[65], two[65];
    Sealer *s, *other;
    StrView plain;
    Error err;
    assert_non_null(mkdtemp(dir));
    const char *path = arena_printf(a, "%s/sub/key", dir), *path2 = arena_printf(a, "%s/k2", dir);
    assert_int_equal(sealer_open(path, false, &s, &err), ERR_NOT_FOUND);
    assert_int_equal(sealer_open(path, true, &s, &err), ERR_OK);
    assert_int_equal(sealer_open(path2, true, &other, &err), ERR_OK);
    StrView box = seal(s, a, "ca", SV("secret\0bytes"));
    assert_null(memmem(box.p, box.n, "secret", 6));
    assert_int_equal(unseal(s, a, "ca", box, &plain, &err), ERR_OK);
    assert_int_equal(plain.n, 12);
    assert_memory_equal(plain.p, "secret\0bytes", 12);
    assert_int_equal(unseal(s, a, "cb", box, &plain, &err), ERR_PRECONDITION); /* another row */
    assert_int_equal(unseal(other, a, "ca", box, &plain, &err), ERR_PRECONDITION);
    assert_int_equal(unseal(s, a, "ca", sv_n(box.p, 10), &plain, &err), ERR_DATA_LOSS);
    sealer_derive(s, "satellite token", "id", one);
    sealer_derive(other, "satellite token", "id", two);
    assert_string_not_equal(one, two);
    sealer_derive(s, "satellite token", "id", two);
    assert_string_equal(one, two);
    sealer_free(s);
    sealer_free(other);
    FILE *f = fopen(path2, "w");
    fputs("0123\n", f);
    fclose(f);
    assert_int_equal(sealer_open(path2, true, &s, &err), ERR_INVALID); /* never overwritten */
    assert_int_equal(unlink(path) | unlink(path2), 0);
    assert_int_equal(rmdir(arena_printf(a, "%s/sub", dir)) | rmdir(dir), 0);
}

static ErrCode load(Arena *a, const char *line, Config *c, ConfigVerdict *v, Error *err)
{
    char *argv[12] = {arena_strdup(a, "central")};
    int n = 1;
    StrView rest = sv(line);
    while (rest.n)
        argv[n++] = sv_dup(a, sv_cut(&rest, ' '));
    return config_load(a, n, argv, c, v, err);
}

static void test_config(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Config c;
    ConfigVerdict v;
    Error err;
    setenv("PGSWARM_HTTP_ADDR", "127.0.0.1:1", 1);
    assert_int_equal(load(a, "", &c, &v, &err), ERR_OK);
    assert_string_equal(c.http_addr, "127.0.0.1:1");
    assert_true(c.http_tls);
    assert_int_equal(load(a, "--http-addr :2 --http-tls=off --log-level debug", &c, &v, &err),
                     ERR_OK);
    assert_string_equal(c.http_addr, ":2");
    assert_false(c.http_tls);
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_int_equal(load(a, "init --admin ann", &c, &v, &err), ERR_OK);
    assert_string_equal(c.admin, "ann");
    assert_int_equal(load(a, "--version", &c, &v, &err), ERR_OK);
    assert_int_equal(v, CONFIG_VERSION);
    static const char *const bad[] = {"--htp-addr :2", "--http-addr",      "--http-tls maybe",
                                      "--admin ann",   "--log-level loud", "serve",
                                      "--event-days 0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(load(a, bad[i], &c, &v, &err), ERR_USAGE);
    load(a, "--htp-addr :2", &c, &v, &err);
    assert_non_null(strstr(err.msg, "--http-addr"));
    assert_int_equal(load(a, "--tls-names central.example,10.0.0.7,::9", &c, &v, &err), ERR_OK);
    const char *const *san = config_sans(a, &c);
    assert_string_equal(san[0], "DNS:localhost");
    assert_string_equal(san[3], "DNS:central.example");
    assert_string_equal(san[4], "IP:10.0.0.7");
    assert_string_equal(san[5], "IP:::9");
    assert_null(san[6]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox),    cmocka_unit_test(test_changes),
        cmocka_unit_test(test_ratelimit), cmocka_unit_test(test_seal),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
