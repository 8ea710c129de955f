#include "auth/auth.h"
#include "auth/rbac.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t now_us;
static int64_t fake_now(void)
{
    return now_us;
}

typedef struct Fix {
    Store *s;
    Arena *a;
    Auth *auth;
    char dir[40];
} Fix;

static void create(Fix *f, const Kind *k, const char *ns, const char *text)
{
    AUTO_JSON o = cJSON_Parse(text);
    Error err = {0};
    assert_non_null(o);
    const StoreWrite w = {.kind = k, .ns = ns, .obj = o};
    if (store_create(f->s, f->a, &w, NULL, &err)) {
        assert_string_equal(err.msg, "");
    }
}

static int setup(void **state)
{
    Fix *f = xnew(Fix);
    now_us = 1800000000LL * 1000000;
    memcpy(f->dir, "/tmp/sbx-auth-XXXXXX", 21);
    assert_non_null(mkdtemp(f->dir));
    f->a = arena_new();
    assert_int_equal(store_open(&(StoreConfig){.now_us = fake_now}, &f->s, NULL), ERR_OK);
    assert_int_equal(auth_open(f->dir, f->s, &f->auth, NULL), ERR_OK);
    create(f, K(NAMESPACE), "", "{\"metadata\":{\"name\":\"db\"}}");
    create(f, K(SERVICEACCOUNT), "db", "{\"metadata\":{\"name\":\"bot\"}}");
    create(
        f, K(ROLE), "db",
        "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"pods\","
        "\"pods/log\"],\"verbs\":[\"get\",\"list\"]},{\"apiGroups\":[\"coordination.k8s.io\"],"
        "\"resources\":[\"leases\"],\"resourceNames\":[\"pg-leader\"],\"verbs\":[\"update\"]}]}");
    create(f, K(ROLEBINDING), "db",
           "{\"metadata\":{\"name\":\"b\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":"
           "\"bot\",\"namespace\":\"db\"}],\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"}}");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fix *f = *state;
    static const char *const files[] = {"ca.crt", "ca.key", "token.key", "admin.token"};
    for (size_t i = 0; i < 4; i++) {
        unlink(arena_printf(f->a, "%s/%s", f->dir, files[i]));
    }
    rmdir(f->dir);
    auth_free(f->auth);
    arena_free(f->a);
    store_close(f->s);
    free(f);
    return 0;
}

static ErrCode identify(Fix *f, const char *token, Identity *ret)
{
    return auth_identify(f->auth, f->a, arena_printf(f->a, "Bearer %s", token), ret, NULL);
}

static char *token_of(Fix *f)
{
    const TokenSpec spec = {.ns = "db", .service_account = "bot"};
    char *token = NULL;
    assert_int_equal(auth_token_issue(f->auth, f->a, &spec, &token, NULL), ERR_OK);
    return token;
}

static void test_tokens(void **state)
{
    Fix *f = *state;
    Identity who;
    char *token = token_of(f);
    assert_int_equal(identify(f, token, &who), ERR_OK);
    assert_string_equal(who.name, "system:serviceaccount:db:bot");
    assert_string_equal(who.groups[1], "system:serviceaccounts:db");
    char *forged = arena_strdup(f->a, token);
    forged[strlen(forged) / 2] ^= 1;
    assert_int_equal(identify(f, forged, &who), ERR_UNAUTHENTICATED);
    assert_int_equal(identify(f, "", &who), ERR_UNAUTHENTICATED);
    assert_int_equal(identify(f, "a.b.c", &who), ERR_UNAUTHENTICATED);
    now_us += 3601LL * 1000000;
    assert_int_equal(identify(f, token, &who), ERR_UNAUTHENTICATED);
    assert_int_equal(identify(f, auth_admin_token(f->auth), &who), ERR_OK);
    assert_string_equal(who.groups[0], "system:masters");
    assert_int_equal(auth_identify(f->auth, f->a, NULL, &who, NULL), ERR_OK);
    assert_string_equal(who.name, "system:anonymous");
}

static void test_token_ends_with_its_account(void **state)
{
    Fix *f = *state;
    Identity who;
    char *token = token_of(f);
    const StoreDelete d = {.kind = K(SERVICEACCOUNT), .ns = "db", .name = "bot"};
    assert_int_equal(store_delete(f->s, f->a, &d, NULL, NULL), ERR_OK);
    assert_int_equal(identify(f, token, &who), ERR_UNAUTHENTICATED);
    create(f, K(SERVICEACCOUNT), "db", "{\"metadata\":{\"name\":\"bot\"}}"); /* another uid */
    assert_int_equal(identify(f, token, &who), ERR_UNAUTHENTICATED);
}

static void test_rules(void **state)
{
    Fix *f = *state;
    static const struct {
        Attr at;
        bool want;
    } rows[] = {
        {{.verb = "get", .group = "", .resource = "pods", .ns = "db", .name = "x"}, true},
        {{.verb = "get", .group = "", .resource = "pods", .sub = "log", .ns = "db"}, true},
        {{.verb = "get", .group = "", .resource = "pods", .sub = "status", .ns = "db"}, false},
        {{.verb = "delete", .group = "", .resource = "pods", .ns = "db"}, false},
        {{.verb = "get", .group = "", .resource = "pods", .ns = "other"}, false},
        {{.verb = "list", .group = "", .resource = "pods"}, false},
        {{.verb = "update",
          .group = "coordination.k8s.io",
          .resource = "leases",
          .ns = "db",
          .name = "pg-leader"},
         true},
        {{.verb = "update",
          .group = "coordination.k8s.io",
          .resource = "leases",
          .ns = "db",
          .name = "other"},
         false},
        {{.verb = "update", .group = "coordination.k8s.io", .resource = "leases", .ns = "db"},
         false},
        {{.verb = "get", .path = "/metrics"}, false},
    };
    Identity who;
    assert_int_equal(identify(f, token_of(f), &who), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rbac_allowed(f->s, &who, &rows[i].at), rows[i].want);
    }
}

static void test_no_grant_beyond_own(void **state)
{
    Fix *f = *state;
    Identity who;
    Error err = {0};
    assert_int_equal(identify(f, token_of(f), &who), ERR_OK);
    static const struct {
        const char *rule;
        ErrCode want;
    } rows[] = {
        {"{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}", ERR_OK},
        {"{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"*\"]}", ERR_FORBIDDEN},
        {"{\"apiGroups\":[\"*\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}", ERR_FORBIDDEN},
        {"{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"resourceNames\":[\"x\"],\"verbs\":["
         "\"list\"]}",
         ERR_OK},
        {"{\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],\"verbs\":["
         "\"update\"]}",
         ERR_FORBIDDEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO_JSON role = cJSON_Parse("{\"metadata\":{\"name\":\"n\",\"namespace\":\"db\"}}");
        cJSON_AddItemToArray(js_arr(role, "rules"), cJSON_Parse(rows[i].rule));
        assert_int_equal(rbac_check_grant(f->s, f->a, &who, K(ROLE), role, &err), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_ends_with_its_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_grant_beyond_own, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
