#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fix {
    Store *s;
    Arena *a;
    Error err;
    char seen[1024];
} Fix;

static const Obj *create(Fix *f, const Kind *k, const char *ns, const char *text)
{
    AUTO_JSON o = cJSON_Parse(text);
    assert_non_null(o);
    const Obj *ret = NULL;
    const StoreWrite w = {.kind = k, .ns = ns, .obj = o, .manager = "test", .user = "admin"};
    f->err = (Error){0};
    return store_create(f->s, f->a, &w, &ret, &f->err) ? NULL : ret;
}

static void prepare(Fix *f, const char *dir)
{
    f->a = arena_new();
    assert_int_equal(
        store_open(&(StoreConfig){.dir = dir, .service_cidr = "198.18.8.0/21"}, &f->s, &f->err),
        ERR_OK);
}

static int setup(void **state)
{
    Fix *f = xnew(Fix);
    prepare(f, NULL);
    assert_non_null(create(f, K(NAMESPACE), "", "{\"metadata\":{\"name\":\"db\"}}"));
    assert_non_null(create(f, K(SERVICEACCOUNT), "db", "{\"metadata\":{\"name\":\"default\"}}"));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fix *f = *state;
    arena_free(f->a);
    store_close(f->s);
    free(f);
    return 0;
}

#define TEMPLATE                                                                                   \
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{\"containers\":[{\"name\":" \
    "\"c\",\"image\":\"postgres:15\",\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/"       \
    "d\"}]}]}}"
#define STS                                                                                   \
    "{\"metadata\":{\"name\":\"pg\"},\"spec\":{\"serviceName\":\"pg\",\"selector\":"          \
    "{\"matchLabels\":{\"app\":\"x\"}}," TEMPLATE ",\"volumeClaimTemplates\":[{\"metadata\":" \
    "{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":"        \
    "{\"requests\":{\"storage\":\"1Gi\"}}}}]}}"

static void test_defaults_and_generation(void **state)
{
    Fix *f = *state;
    const Obj *o = create(f, K(STATEFULSET), "db", STS);
    assert_string_equal(f->err.msg, "");
    assert_int_equal(js_int(o->json, "spec.replicas", 0), 1);
    assert_int_equal(js_int(o->json, "metadata.generation", 0), 1);
    assert_string_equal(js_str(o->json, "spec.template.spec.containers[0].imagePullPolicy"),
                        "IfNotPresent");
    AUTO_JSON p = cJSON_Parse("{\"spec\":{\"replicas\":3}}");
    StoreWrite w = {.kind = K(STATEFULSET), .ns = "db", .name = "pg", .obj = p, .user = "u"};
    w.patch = PATCH_MERGE;
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK);
    assert_int_equal(js_int(o->json, "metadata.generation", 0), 2);
    uint64_t rv = o->rv;
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK); /* nothing changes */
    assert_int_equal(o->rv, rv);
    assert_int_equal(store_set_status(f->s, o, cJSON_Parse("{\"replicas\":2}"), &f->err), ERR_OK);
    o = store_get(f->s, f->a, K(STATEFULSET), "db", "pg");
    assert_int_equal(js_int(o->json, "metadata.generation", 0), 2);
    assert_int_equal(js_int(o->json, "status.replicas", 0), 2);
}

static void test_validation_words(void **state)
{
    Fix *f = *state;
    static const struct {
        const char *json, *want;
        ErrCode code;
    } rows[] = {
        {"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":\"x\"}}",
         "StatefulSet in version \"v1\" cannot be handled as a StatefulSet: json: cannot unmarshal "
         "string into Go struct field StatefulSetSpec.spec.replicas of type int32",
         ERR_MALFORMED},
        {"{\"metadata\":{\"name\":\"A_\"},\"spec\":{\"replicas\":-1,\"selector\":{\"matchLabels\":"
         "{\"app\":\"y\"}}," TEMPLATE "}}",
         "StatefulSet.apps \"A_\" is invalid: [metadata.name: Invalid value: \"A_\": a lowercase "
         "RFC 1123 subdomain",
         ERR_INVALID},
        {"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\"}},"
         "\"podManagementPolicy\":\"Fast\"," TEMPLATE ",\"volumeClaimTemplates\":[{\"metadata\":"
         "{\"name\":\"data\"}}]}}",
         "StatefulSet.apps \"a\" is invalid: spec.podManagementPolicy: Unsupported value: "
         "\"Fast\": supported values: \"OrderedReady\", \"Parallel\"",
         ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_null(create(f, K(STATEFULSET), "db", rows[i].json));
        assert_int_equal(f->err.code, rows[i].code);
        if (!str_starts(f->err.msg, rows[i].want)) {
            assert_string_equal(f->err.msg, rows[i].want);
        }
    }
    assert_null(create(f, K(CONFIGMAP), "nope", "{\"metadata\":{\"name\":\"a\"}}"));
    assert_string_equal(f->err.msg, "namespaces \"nope\" not found");
}

static void test_conflicts(void **state)
{
    Fix *f = *state;
    const Obj *o = create(f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"c\"}}");
    assert_non_null(o);
    AUTO_JSON stale = js_dup(o->json);
    AUTO_JSON now = js_dup(o->json);
    js_set_str(now, "data.a", "1");
    StoreWrite w = {.kind = K(CONFIGMAP), .obj = now};
    assert_int_equal(store_update(f->s, f->a, &w, NULL, &f->err), ERR_OK);
    js_set_str(stale, "data.a", "2");
    w.obj = stale;
    assert_int_equal(store_update(f->s, f->a, &w, NULL, &f->err), ERR_CONFLICT);
    assert_null(create(f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"c\"}}"));
    assert_int_equal(f->err.code, ERR_EXISTS);
    assert_string_equal(f->err.msg, "configmaps \"c\" already exists");
}

static void test_finalizers(void **state)
{
    Fix *f = *state;
    const Obj *o = create(f, K(CONFIGMAP), "db",
                          "{\"metadata\":{\"name\":\"c\",\"finalizers\":[\"a.io/x\"]}}");
    const StoreDelete d = {.kind = K(CONFIGMAP), .ns = "db", .name = "c", .grace_seconds = -1};
    assert_int_equal(store_delete(f->s, f->a, &d, &o, &f->err), ERR_OK);
    assert_true(obj_deleting(o));
    assert_non_null(store_get(f->s, f->a, K(CONFIGMAP), "db", "c"));
    assert_int_equal(store_merge(f->s, o, SUB_NONE,
                                 cJSON_Parse("{\"metadata\":{\"finalizers\":null}}"), &f->err),
                     ERR_OK);
    assert_null(store_get(f->s, f->a, K(CONFIGMAP), "db", "c"));
}

static void on_change(void *ctx, StoreChange ch, const Obj *now, const Obj *old)
{
    Fix *f = ctx;
    size_t n = strlen(f->seen);
    snprintf(f->seen + n, sizeof f->seen - n, "%c:%s:%d ", "AMD"[ch], now -> name, old != NULL);
    if (ch == STORE_ADDED && str_eq(now->name, "one")) { /* told later, in order */
        assert_non_null(create(f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"two\"}}"));
        assert_null(strstr(f->seen, "two"));
    }
}

static void test_watch(void **state)
{
    Fix *f = *state;
    store_dispatch(f->s);
    uint64_t start = store_rv(f->s);
    StoreWatch *w = store_watch(f->s, K(CONFIGMAP), on_change, f);
    create(f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"one\"}}");
    assert_string_equal(f->seen, "");
    store_dispatch(f->s);
    assert_string_equal(f->seen, "A:one:0 A:two:0 ");
    store_watch_stop(w);
    f->seen[0] = '\0';
    assert_int_equal(store_watch_from(f->s, K(CONFIGMAP), start + 1, on_change, f, &w), ERR_OK);
    assert_string_equal(f->seen, "A:two:0 ");
    store_watch_stop(w);
    for (int i = 0; i < 3000; i++) {
        const Obj *o = store_get(f->s, f->a, K(CONFIGMAP), "db", "two");
        cJSON *p = cJSON_CreateObject();
        js_set_str(p, "data.i", i % 2 ? "a" : "b");
        assert_int_equal(store_merge(f->s, o, SUB_NONE, p, &f->err), ERR_OK);
        arena_reset(f->a);
        store_dispatch(f->s);
    }
    assert_int_equal(store_watch_from(f->s, K(CONFIGMAP), start, on_change, f, &w), ERR_GONE);
}

static void test_apply(void **state)
{
    Fix *f = *state;
    AUTO_JSON one = cJSON_Parse("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                "\"name\":\"c\"},\"data\":{\"a\":\"1\",\"b\":\"1\"}}");
    AUTO_JSON two = cJSON_Parse("{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"}}");
    AUTO_JSON less = cJSON_Parse("{\"apiVersion\":\"v1\",\"data\":{\"b\":\"1\"}}");
    bool created = false;
    const Obj *o = NULL;
    StoreWrite w = {.kind = K(CONFIGMAP), .ns = "db", .name = "c", .obj = one, .manager = "m1"};
    w.patch = PATCH_APPLY;
    w.created = &created;
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK);
    assert_true(created);
    w.obj = two;
    w.manager = "m2";
    AUTO_JSON causes = cJSON_CreateArray();
    w.causes = causes;
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_CONFLICT);
    assert_string_equal(f->err.msg, "Apply failed with 1 conflict: conflict with \"m1\": .data.a");
    assert_string_equal(js_str(causes, "[0].field"), ".data.a");
    w.force = true;
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK);
    assert_string_equal(js_str(o->json, "data.a"), "2");
    w.obj = less; /* m1 gives a up, which is m2's now: it stays; m2 gives it up: it goes */
    w.manager = "m1";
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK);
    assert_string_equal(js_str(o->json, "data.a"), "2");
    w.manager = "m2";
    assert_int_equal(store_patch(f->s, f->a, &w, &o, &f->err), ERR_OK);
    assert_null(js_str(o->json, "data.a"));
    assert_string_equal(js_str(o->json, "data.b"), "1");
}

static void test_services(void **state)
{
    Fix *f = *state;
    const Obj *o = create(f, K(SERVICE), "db",
                          "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\","
                          "\"ports\":[{\"port\":5432}]}}");
    assert_string_equal(js_str(o->json, "spec.clusterIP"), "198.18.8.1");
    assert_int_equal(js_int(o->json, "spec.ports[0].nodePort", 0), 30000);
    assert_int_equal(js_int(o->json, "spec.ports[0].targetPort", 0), 5432);
    o = create(f, K(SERVICE), "db",
               "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\"}}");
    assert_string_equal(js_str(o->json, "spec.clusterIPs[0]"), "None");
}

static void test_quota(void **state)
{
    Fix *f = *state;
    assert_non_null(create(f, K(RESOURCEQUOTA), "db",
                           "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"pods\":\"1\"}}}"));
    assert_non_null(create(f, K(POD), "db",
                           "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":"
                           "\"c\",\"image\":\"i\"}]}}"));
    assert_null(create(f, K(POD), "db",
                       "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"containers\":[{\"name\":"
                       "\"c\",\"image\":\"i\"}]}}"));
    assert_string_equal(f->err.msg, "pods \"b\" is forbidden: exceeded quota: q, requested: "
                                    "pods=1, used: pods=1, limited: pods=1");
}

static void test_restart(void **state)
{
    (void)state;
    char dir[] = "/tmp/sbx-store-XXXXXX";
    assert_non_null(mkdtemp(dir));
    Fix f = {0};
    prepare(&f, dir);
    create(&f, K(NAMESPACE), "", "{\"metadata\":{\"name\":\"db\"}}");
    create(&f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"keep\"},\"data\":{\"a\":\"\\n\"}}");
    create(&f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"gone\"}}");
    const StoreDelete d = {.kind = K(CONFIGMAP), .ns = "db", .name = "gone"};
    assert_int_equal(store_delete(f.s, f.a, &d, NULL, &f.err), ERR_OK);
    uint64_t rv = store_rv(f.s);
    arena_free(f.a);
    store_close(f.s);

    char path[64]; /* a line that was being written when the power went */
    snprintf(path, sizeof path, "%s/objects.log", dir);
    FILE *torn = fopen(path, "a");
    fputs("{\"rv\":\"99\",\"v\":\"v1", torn);
    fclose(torn);

    prepare(&f, dir);
    assert_int_equal(store_rv(f.s), rv);
    const Obj *o = store_get(f.s, f.a, K(CONFIGMAP), "db", "keep");
    assert_string_equal(js_str(o->json, "data.a"), "\n");
    assert_null(store_get(f.s, f.a, K(CONFIGMAP), "db", "gone"));
    Store *second = NULL;
    assert_int_equal(store_open(&(StoreConfig){.dir = dir}, &second, &f.err), ERR_UNAVAILABLE);
    arena_free(f.a);
    store_close(f.s);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    rmdir(dir);
}

/* Ten megabytes of history about one small object: the file is rewritten, nothing is lost. */
static void test_journal_is_rewritten(void **state)
{
    (void)state;
    char dir[] = "/tmp/sbx-store-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    Fix f = {0};
    prepare(&f, dir);
    create(&f, K(NAMESPACE), "", "{\"metadata\":{\"name\":\"db\"}}");
    create(&f, K(CONFIGMAP), "db", "{\"metadata\":{\"name\":\"c\"}}");
    char *text = xcalloc(1, 100 * 1024 + 1);
    for (int i = 0; i < 100; i++) {
        memset(text, 'a' + i % 26, 100 * 1024);
        cJSON *p = cJSON_CreateObject();
        js_set_str(p, "data.text", text);
        const Obj *o = store_get(f.s, f.a, K(CONFIGMAP), "db", "c");
        assert_int_equal(store_merge(f.s, o, SUB_NONE, p, &f.err), ERR_OK);
        arena_reset(f.a);
        store_dispatch(f.s);
    }
    uint64_t rv = store_rv(f.s);
    arena_free(f.a);
    store_close(f.s);
    struct stat st;
    snprintf(path, sizeof path, "%s/objects.log", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 4 * 1024 * 1024);
    prepare(&f, dir);
    assert_int_equal(store_rv(f.s), rv);
    const Obj *o = store_get(f.s, f.a, K(CONFIGMAP), "db", "c");
    assert_string_equal(js_str(o->json, "data.text"), text);
    free(text);
    arena_free(f.a);
    store_close(f.s);
    unlink(path);
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults_and_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validation_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conflicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finalizers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_apply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_services, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quota, setup, teardown),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_journal_is_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
