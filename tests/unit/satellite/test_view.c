#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "config.h"
#include "link/events.h"
#include "operator/reconcile.h"
#include "operator/watches.h"
#include "sidecars/registry.h"
#include <stdlib.h>

/* ---- pods ---- */

static const struct {
    const char *json, *problem;
    bool refused, ready;
} PODS[] = {
    {"{}", NULL, false, false},
    {"{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}", NULL, false, true},
    {"{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
     "\"message\":\"0/1 nodes\"}]}}",
     "cannot be scheduled: 0/1 nodes", false, false},
    {"{\"status\":{\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"waiting\":{\"reason\":"
     "\"ImagePullBackOff\",\"message\":\"m\"}}}]}}",
     "container i: ImagePullBackOff: m", true, false},
    {"{\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":"
     "\"ContainerCreating\"}}}]}}",
     NULL, false, false},
    {"{\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":"
     "\"CrashLoopBackOff\"}}}]}}",
     "container c: CrashLoopBackOff: no more is known", false, false},
    {"{\"status\":\"odd\",\"metadata\":[]}", NULL, false, false},
};

static void test_server_versions(void **st)
{
    static const struct {
        const char *json;
        bool fits;
    } ROWS[] = {
        {"{\"major\":\"1\",\"minor\":\"20\"}", true},
        {"{\"major\":\"1\",\"minor\":\"34+\"}", true},
        {"{\"major\":\"2\",\"minor\":\"0\"}", true},
        {"{\"major\":\"1\",\"minor\":\"19\",\"gitVersion\":\"v1.19.3\"}", false},
        {"{\"major\":\"1\",\"minor\":\"9\"}", false},
        {"{}", false},
        {"[]", false},
    };
    (void)st;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        Error err = {0};
        cJSON *v = cJSON_Parse(ROWS[i].json);
        assert_int_equal(server_version_check(v, &err), ROWS[i].fits ? ERR_OK : ERR_UNSUPPORTED);
        assert_true(ROWS[i].fits || strstr(err.msg, "v1.20 and later"));
        cJSON_Delete(v);
    }
}

static void test_pods(void **st)
{
    (void)st;
    for (size_t i = 0; i < sizeof PODS / sizeof *PODS; i++) {
        AUTO_ARENA a = arena_new();
        cJSON *o = cJSON_Parse(PODS[i].json);
        assert_non_null(o);
        PodView v = pod_view(a, o);
        assert_true(str_eq(v.problem, PODS[i].problem));
        assert_int_equal(v.refused, PODS[i].refused);
        assert_int_equal(v.ready, PODS[i].ready);
        assert_string_equal(v.role, "");
        cJSON_Delete(o);
    }
}

/* ---- endpoints ---- */

static const struct {
    const char *json, *node, *host;
    uint32_t port;
} SERVICES[] = {
    {"{\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"name\":"
     "\"postgres\",\"port\":5432}]}}",
     NULL, "10.0.0.1", 5432},
    {"{\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"name\":"
     "\"postgres\",\"port\":5432,\"nodePort\":30001}]}}",
     "127.0.0.1", "127.0.0.1", 30001},
    {"{\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"name\":\"postgres\",\"nodePort\":30001}]}}",
     NULL, "", 0},
    {"{\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"name\":\"postgres\",\"nodePort\":99999}]}}",
     "127.0.0.1", "", 0},
    {"{\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"name\":\"postgres\",\"port\":5432}]},"
     "\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":\"lb.example\"}]}}}",
     NULL, "lb.example", 5432},
    {"{\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"name\":\"postgres\",\"port\":5432}]}}",
     NULL, "", 0},
    {"{\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"name\":\"postgres\",\"port\":5432}]}}", NULL,
     "", 0},
    {"{}", NULL, "", 0},
};

static void test_endpoints(void **st)
{
    (void)st;
    for (size_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++) {
        AUTO_ARENA a = arena_new();
        cJSON *o = cJSON_Parse(SERVICES[i].json);
        assert_non_null(o);
        Endpoint e = service_endpoint(a, o, SERVICES[i].node);
        assert_string_equal(e.host, SERVICES[i].host);
        assert_int_equal(e.port, SERVICES[i].port);
        cJSON_Delete(o);
    }
}

/* ---- registry ---- */

static void test_registry(void **st)
{
    (void)st;
    Registry r;
    GrpcStream *one = (GrpcStream *)1, *two = (GrpcStream *)2, *old;
    MemberName name = {"ns", "c", "c-0"};
    registry_init(&r);
    Member *m = registry_join(&r, &name, one, &old);
    assert_null(old);
    InstanceHealth h = {.pod_name = "forged", .role = ROLE_PRIMARY, .ready = true, .error = ""};
    assert_true(registry_health(m, &h, 5));
    assert_string_equal(m->health.pod_name, "c-0");
    h.connections_used = 7;
    assert_false(registry_health(m, &h, 6)); /* figures are no news */
    assert_int_equal(m->health.connections_used, 7);
    h.ready = false;
    assert_true(registry_health(m, &h, 7));
    /* Of two the newest wins, and the end of the old one changes nothing. */
    assert_ptr_equal(registry_join(&r, &name, two, &old), m);
    assert_ptr_equal(old, one);
    assert_false(registry_leave(&r, m, one));
    assert_ptr_equal(registry_find(&r, "ns", "c-0"), m);
    assert_true(registry_leave(&r, m, two));
    assert_null(registry_find(&r, "ns", "c-0"));
    registry_done(&r);
}

/* ---- kept events ---- */

static void test_events_read_back(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    StrPair data[] = {{"k", "v\n"}};
    EventReport in[] = {{.sequence = 7,
                         .at_us = 1700000000000001,
                         .severity = SEV_WARNING,
                         .kind = "config.refused",
                         .cluster_name = "c",
                         .ns = "n",
                         .pod_name = "",
                         .message = "it's \"so\"",
                         .operation_id = "",
                         .source = "satellite",
                         .data = {data, 1}},
                        {.sequence = 8, .kind = "x", .severity = SEV_INFO}};
    ObjList out;
    events_decode(a, events_encode(a, in, 2), &out);
    const EventReport *e = out.at;
    assert_int_equal(out.n, 2);
    assert_int_equal(e[0].sequence, 7);
    assert_int_equal(e[0].at_us, in[0].at_us);
    assert_int_equal(e[0].severity, SEV_WARNING);
    assert_string_equal(e[0].message, in[0].message);
    assert_string_equal(strmap_get(e[0].data, "k"), "v\n");
    static const char *const BAD[] = {"", "{", "{}", "[1,null,{}]", "[{\"seq\":-1}]", NULL};
    for (const char *const *b = BAD; *b; b++) {
        events_decode(a, *b, &out);
        assert_int_equal(out.n, 0);
    }
    events_decode(a, NULL, &out);
    assert_int_equal(out.n, 0);
    events_decode(a, "[{\"seq\":5},{\"seq\":5},{\"seq\":4},{\"seq\":6}]", &out);
    assert_int_equal(out.n, 2); /* numbers only grow */
}

/* ---- settings ---- */

static ConfigResult load(Arena *a, SatConfig *c, int argc, const char **argv)
{
    return config_load(a, argc, (char **)argv, c); /* it writes nothing there */
}
#define ARGV(...) ((const char *[]){"p", __VA_ARGS__, NULL})

static void test_config(void **st)
{
    (void)st;
    AUTO_ARENA a = arena_new();
    SatConfig c;
    setenv("PGSWARM_CENTRAL_ADDR", "env:1", 1);
    setenv("PGSWARM_LABELS", "a=b,c.d/e=f", 1);
    unsetenv("PGSWARM_SERVICE_TYPE");
    assert_int_equal(load(a, &c, 1, ARGV("")), CONFIG_OK);
    assert_string_equal(c.central_addr, "env:1");
    assert_string_equal(strmap_get(c.labels, "c.d/e"), "f");
    assert_string_equal(c.service_type, "ClusterIP");
    assert_false(str_empty(c.hostname));
    assert_int_equal(load(a, &c, 4, ARGV("--central-addr=opt:2", "--log-level", "debug")),
                     CONFIG_OK);
    assert_string_equal(c.central_addr, "opt:2"); /* an option beats the environment */
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_int_equal(load(a, &c, 3, ARGV("--service-type", "Ingress")), CONFIG_BAD);
    assert_int_equal(load(a, &c, 3, ARGV("--tiers", "=x")), CONFIG_BAD);
    assert_int_equal(load(a, &c, 2, ARGV("--no-such")), CONFIG_BAD);
    assert_int_equal(load(a, &c, 2, ARGV("--region")), CONFIG_BAD);
    unsetenv("PGSWARM_CENTRAL_ADDR");
    assert_int_equal(load(a, &c, 1, ARGV("")), CONFIG_BAD);
    unsetenv("PGSWARM_LABELS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_versions),  cmocka_unit_test(test_pods),
        cmocka_unit_test(test_endpoints),        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_events_read_back), cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
