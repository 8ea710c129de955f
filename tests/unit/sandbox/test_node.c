/* The pure parts of the node: addresses, log lines, environments, probes, what a container sees. */
#include "core/file.h"
#include "kubelet/crilog.h"
#include "kubelet/podenv.h"
#include "kubelet/probe.h"
#include "kubelet/rootfs.h"
#include "kubelet/voldir.h"
#include "netns/sitenet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_addresses(void **state)
{
    (void)state;
    uint32_t base = sitenet_base("edge-a"), ip;
    char text[IP_TEXT];
    assert_int_equal(base, sitenet_base("edge-a"));
    assert_int_equal(base & 0xFFFu, 0);
    assert_int_equal(base >> 17, 0xC6120000u >> 17);
    ip_text(text, 0xC6120001u);
    assert_string_equal(text, "198.18.0.1");
    assert_true(ip_parse(text, &ip));
    assert_int_equal(ip, 0xC6120001u);
    assert_false(ip_parse("198.18.0", &ip));
    assert_false(ip_parse(NULL, &ip));
}

static void test_pool_gives_each_address_once_and_none_back_soon(void **state)
{
    (void)state;
    IpPool p = {0};
    unsigned first = ippool_take(&p), n = 1;
    assert_int_equal(first, 2);
    ippool_give(&p, first);
    assert_int_equal(ippool_take(&p), 3);
    ippool_give(&p, 3);
    while (ippool_take(&p))
        n++;
    assert_int_equal(n - 1, SITENET_HALF - 3);
    ippool_give(&p, 77);
    assert_int_equal(ippool_take(&p), 77);
}

static void test_log_lines(void **state)
{
    (void)state;
    StrBuf out = {0}, rest = {0};
    crilog_format(&out, &rest, "T stdout", SV("one\ntw"), false);
    assert_string_equal(strbuf_str(&out), "T stdout F one\n");
    strbuf_reset(&out);
    crilog_format(&out, &rest, "T stdout", SV("o\n\nend"), false);
    assert_string_equal(strbuf_str(&out), "T stdout F two\nT stdout F \n");
    strbuf_reset(&out);
    crilog_format(&out, &rest, "T stdout", (StrView){0}, true);
    assert_string_equal(strbuf_str(&out), "T stdout P end\n");
    strbuf_reset(&out);
    char *big = xmalloc(70000);
    memset(big, 'x', 70000);
    big[69999] = '\n';
    crilog_format(&out, &rest, "T", sv_n(big, 70000), false);
    assert_int_equal(rest.n, 0);
    assert_true(str_starts(strbuf_str(&out), "T P xxx"));
    assert_non_null(strstr(strbuf_str(&out), "\nT F xxx"));
    free(big);
    strbuf_done(&out);
    strbuf_done(&rest);
}

static void test_expansion(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    const char *const env[] = {"A=1", "AB=2", NULL};
    assert_string_equal(podenv_expand(a, "x$(A)y$(AB)", env), "x1y2");
    assert_string_equal(podenv_expand(a, "$(NONE) $$(A) $ $A $(A", env), "$(NONE) $(A) $ $A $(A");
}

static void test_fields(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    AUTO_JSON pod = cJSON_CreateObject();
    js_set_str(pod, "metadata.name", "p");
    js_set_str(pod, "metadata.labels[pg-swarm.io/role]", "primary");
    PodFacts f = {.pod = pod, .ns = "n", .pod_ip = "198.18.0.9"};
    const char *v;
    Error err;
    assert_int_equal(podenv_field(a, &f, "metadata.name", &v, &err), ERR_OK);
    assert_string_equal(v, "p");
    assert_int_equal(podenv_field(a, &f, "metadata.labels['pg-swarm.io/role']", &v, &err), ERR_OK);
    assert_string_equal(v, "primary");
    assert_int_equal(podenv_field(a, &f, "status.podIP", &v, &err), ERR_OK);
    assert_string_equal(v, "198.18.0.9");
    assert_int_equal(podenv_field(a, &f, "metadata.labels[x]", &v, &err), ERR_INVALID);
    assert_int_equal(podenv_field(a, &f, "spec.nonsense", &v, &err), ERR_INVALID);
}

static void test_probe_spec_and_thresholds(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    cJSON *c = NULL;
    Error err;
    ProbeSpec s;
    assert_int_equal(
        js_parse(SV("{\"ports\":[{\"name\":\"http\",\"containerPort\":8008}],\"readinessProbe\":"
                    "{\"httpGet\":{\"path\":\"/r\",\"port\":\"http\"},\"failureThreshold\":2},"
                    "\"livenessProbe\":{\"grpc\":{\"port\":1}}}"),
                 &c, &err),
        ERR_OK);
    assert_false(probe_parse(a, c, "startupProbe", &s));
    assert_true(probe_parse(a, c, "livenessProbe", &s));
    assert_int_equal(s.kind, PROBE_UNSUPPORTED);
    assert_true(probe_parse(a, c, "readinessProbe", &s));
    assert_int_equal(s.kind, PROBE_HTTP);
    assert_int_equal(s.port, 8008);
    assert_int_equal(s.period, 10);
    assert_int_equal(probe_http_status("HTTP/1.1 200 OK\r\n", 17), 200);
    assert_int_equal(probe_http_status("HTTP/1.0 503\n", 13), 503);
    assert_int_equal(probe_http_status("HTTP/1.1 2000\n", 14), 0);
    assert_int_equal(probe_http_status("HTTP/2 200 OK\n", 14), 0);
    assert_int_equal(probe_http_status("HTTP/1.1 2", 10), 0);
    ProbeCount n = {0};
    assert_int_equal(probe_note(&n, &s, false), VERDICT_NONE);
    assert_int_equal(probe_note(&n, &s, false), VERDICT_BAD);
    assert_int_equal(probe_note(&n, &s, true), VERDICT_GOOD);
    cJSON_Delete(c);
}

/* ---- with a folder of our own ---- */

static char root[64];

static int make_root(void **state)
{
    (void)state;
    memcpy(root, "/tmp/pgswarm-node-testXXXXXX", sizeof "/tmp/pgswarm-node-testXXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    (void)state;
    voldir_remove(root);
    return 0;
}

static bool has(const char *const *args, const char *option, const char *x, const char *y)
{
    for (; *args; args++)
        if (str_eq(args[0], option) && str_eq(args[1], x) && (!y || str_eq(args[2], y)))
            return true;
    return false;
}

static void test_rootfs_takes_apart_only_what_it_must(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err;
    const char *const dirs[] = {"usr/bin", "etc/deep", "var/lib/postgresql", "home", NULL};
    for (const char *const *d = dirs; *d; d++)
        assert_int_equal(file_mkdirs(arena_printf(a, "%s/%s", root, *d), 0755, &err), ERR_OK);
    assert_int_equal(file_write_atomic(arena_printf(a, "%s/etc/passwd", root), SV("x"), 0644, &err),
                     ERR_OK);
    Image im = {.ref = "i", .root = root, .user = 999};
    const char *const env[] = {"A=b=c", NULL};
    Mount m[] = {{"/vol", "/var/lib/postgresql/data/", true},
                 {"/tok", "/var/run/secrets/x", false},
                 {"/pw", "/etc/passwd", false}};
    const char *const *o = rootfs_options(
        a, &(RootSpec){
               .image = &im, .mounts = m, .mount_count = 3, .uid = 999, .gid = 999, .env = env});
    assert_true(has(o, "--uid", "999", NULL));
    assert_true(has(o, "--ro-bind-try", arena_printf(a, "%s/usr", root), "/usr"));
    assert_true(has(o, "--ro-bind-try", arena_printf(a, "%s/etc", root), "/etc"));
    assert_true(has(o, "--dir", "/var/lib/postgresql", NULL));
    assert_true(has(o, "--bind", "/vol", "/var/lib/postgresql/data"));
    assert_true(has(o, "--ro-bind", "/tok", "/run/secrets/x"));
    assert_true(has(o, "--ro-bind", "/pw", "/etc/passwd"));
    assert_true(has(o, "--setenv", "A", "b=c"));
    assert_true(has(o, "--remount-ro", "/", NULL));
    assert_false(has(o, "--dir", "/usr", NULL));
}

static void test_host_root_shows_programs_and_no_data(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Image im = {.ref = "i", .root = "/"};
    const char *const *o = rootfs_options(a, &(RootSpec){.image = &im, .uid = 999, .gid = 999});
    assert_true(has(o, "--ro-bind-try", "/usr", "/usr"));
    assert_false(has(o, "--ro-bind-try", "/etc", "/etc"));
    for (const char *const *p = o; *p; p++) {
        assert_false(str_starts(*p, "/root") || str_starts(*p, "/home"));
        assert_string_not_equal(*p, "/etc/shadow");
    }
}

static const char *read_text(Arena *a, const char *path)
{
    StrView v;
    return file_read(a, path, 1000, &v, NULL) == ERR_OK ? v.p : NULL;
}

static void test_voldir_changes_all_at_once(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    Error err;
    const char *dir = arena_printf(a, "%s/vol", root), *one = arena_printf(a, "%s/one", dir);
    char before[256] = "", after[256] = "";
    VolFile first[] = {{"one", "1", 1, 0644}, {"sub/two", "2", 1, 0600}};
    VolFile second[] = {{"one", "11", 2, 0644}};
    assert_int_equal(file_mkdirs(dir, 0755, &err), ERR_OK);
    assert_int_equal(voldir_write(dir, first, 2, &err), ERR_OK);
    assert_string_equal(read_text(a, one), "1");
    assert_string_equal(read_text(a, arena_printf(a, "%s/sub/two", dir)), "2");
    assert_true(readlink(arena_printf(a, "%s/..data", dir), before, sizeof before - 1) > 0);
    assert_int_equal(voldir_write(dir, first, 2, &err), ERR_OK);
    assert_true(readlink(arena_printf(a, "%s/..data", dir), after, sizeof after - 1) > 0);
    assert_string_equal(before, after); /* nothing changed, nothing is written */
    assert_int_equal(voldir_write(dir, second, 1, &err), ERR_OK);
    assert_string_equal(read_text(a, one), "11");
    assert_null(read_text(a, arena_printf(a, "%s/sub/two", dir)));
    struct stat st;
    assert_int_equal(lstat(arena_printf(a, "%s/sub", dir), &st), -1);
    assert_int_equal(lstat(arena_printf(a, "%s/%s", dir, before), &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_pool_gives_each_address_once_and_none_back_soon),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_expansion),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_probe_spec_and_thresholds),
        cmocka_unit_test_setup_teardown(test_rootfs_takes_apart_only_what_it_must, make_root,
                                        drop_root),
        cmocka_unit_test(test_host_root_shows_programs_and_no_data),
        cmocka_unit_test_setup_teardown(test_voldir_changes_all_at_once, make_root, drop_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
