#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "core/file.h"
#include "kube/kube.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A kubeconfig in a folder of its own, beside a file "ca.pem". */
static ErrCode load(Arena *a, const char *yaml, KubeConfig *c, Error *err)
{
    char dir[] = "/tmp/pgswarm-kubeconfig-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = arena_printf(a, "%s/config", dir), *ca = arena_printf(a, "%s/ca.pem", dir);
    assert_int_equal(file_write_atomic(path, sv(yaml), 0600, err), ERR_OK);
    assert_int_equal(file_write_atomic(ca, SV("CA-IN-FILE"), 0600, err), ERR_OK);
    ErrCode rc = kube_config_file(a, path, c, err);
    unlink(path);
    unlink(ca);
    rmdir(dir);
    return rc;
}

#define HEAD                                                           \
    "apiVersion: v1\nkind: Config\ncurrent-context: b\n"               \
    "contexts:\n- name: a\n  context: {cluster: other, user: other}\n" \
    "- name: b\n  context: {cluster: c, user: u, namespace: n}\n"
#define CLUSTER(x) "clusters:\n- name: c\n  cluster: {server: 'https://h:1', " x "}\n"
#define USER(x) "users:\n- name: u\n  user: {" x "}\n"

static void test_token_and_ca_file(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    KubeConfig c;
    Error err;
    assert_int_equal(
        load(a, HEAD CLUSTER("certificate-authority: ca.pem") USER("token: t0k"), &c, &err),
        ERR_OK);
    assert_string_equal(c.server, "https://h:1");
    assert_string_equal(c.ca_pem, "CA-IN-FILE");
    assert_string_equal(c.token, "t0k");
    assert_string_equal(c.namespace_, "n");
    assert_null(c.cert_pem);
    assert_false(c.insecure);
}

static void test_inline_certificates(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    KubeConfig c;
    Error err;
    assert_int_equal(load(a,
                          HEAD CLUSTER("certificate-authority-data: Q0E=")
                              USER("client-certificate-data: Q0VSVA==, client-key-data: S0VZ"),
                          &c, &err),
                     ERR_OK);
    assert_string_equal(c.ca_pem, "CA");
    assert_string_equal(c.cert_pem, "CERT");
    assert_string_equal(c.key_pem, "KEY");
    assert_int_equal(load(a, HEAD CLUSTER("x: y") USER("tokenFile: tok"), &c, &err), ERR_OK);
    assert_true(str_ends(c.token_file, "/tok") && c.token_file[0] == '/');
}

static void test_what_is_wrong_is_said(void **st)
{
    (void)st;
    static const struct {
        const char *yaml, *text;
    } CASES[] = {
        {"current-context: nope\n", "current-context \"nope\" is not there"},
        {"{}", "current-context \"\" is not there"},
        {HEAD "clusters: []\n", "cluster \"c\" has no server"},
        {HEAD CLUSTER("certificate-authority-data: '*'") USER("token: t"), "not base64"},
        {HEAD CLUSTER("certificate-authority: gone.pem") USER("token: t"), "gone.pem"},
        {HEAD CLUSTER("x: y") USER("exec: {command: aws}"), "plugin"},
        {"a: [", "kubeconfig"},
        {"", "kubeconfig"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AUTO_ARENA a = arena_new();
        KubeConfig c;
        Error err;
        assert_int_not_equal(load(a, CASES[i].yaml, &c, &err), ERR_OK);
        if (!strstr(err.msg, CASES[i].text))
            fail_msg("want \"%s\" in \"%s\"", CASES[i].text, err.msg);
    }
}

static void test_outside_of_a_pod(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    KubeConfig c;
    Error err;
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBECONFIG");
    assert_int_equal(kube_config_any(a, "", &c, &err), ERR_NOT_FOUND);
    assert_int_equal(kube_config_any(a, "/nonexistent/config", &c, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_and_ca_file),
        cmocka_unit_test(test_inline_certificates),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_outside_of_a_pod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
