#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "core/clock.h"
#include "fake_api.h"
#include "kube/kube.h"
#include "kube/watch.h"
#include <unistd.h>

enum { WAIT_MS = 60000, IDLE_MS = 1500 };

#define OK_JSON "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
#define STATUS(code, text) \
    "HTTP/1.1 " #code " x\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" text
#define STEPS(...)                                 \
    static const FakeStep steps[] = {__VA_ARGS__}; \
    Fixture x;                                     \
    setup(&x, steps, sizeof steps / sizeof *steps, NULL)

typedef struct Fixture {
    Loop *l;
    FakeApi api;
    Kube *k;
    bool done;
    unsigned calls;
    Error err;
    cJSON *obj;
    int status;
} Fixture;

static void setup(Fixture *x, const FakeStep *steps, size_t n, const char *token_file)
{
    *x = (Fixture){.l = loop_new()};
    fake_start(&x->api, x->l, steps, n);
    AUTO_ARENA a = arena_new();
    KubeConfig cfg = {
        .server = arena_printf(a, "http://127.0.0.1:%d/", listener_port(x->api.ln)),
        .token = token_file ? NULL : "t0k",
        .token_file = token_file,
    };
    assert_int_equal(kube_new(x->l, &cfg, &x->k, &x->err), ERR_OK);
    x->err = (Error){0};
}

static void teardown(Fixture *x)
{
    assert_int_equal(x->api.at, x->api.n); /* the whole script was played */
    kube_free(x->k);
    fake_stop(&x->api);
    cJSON_Delete(x->obj);
    loop_free(x->l);
}

static void on_done(void *ctx, const Error *err, const cJSON *obj)
{
    Fixture *x = ctx;
    x->calls++;
    x->done = true;
    if (err)
        x->err = *err;
    if (obj)
        x->obj = cJSON_Duplicate(obj, true);
}

static void wait_done(Fixture *x)
{
    assert_true(loop_run_until(x->l, &x->done, WAIT_MS));
    assert_int_equal(x->calls, 1);
}

/* ---- calls ---- */

static void test_get(void **st)
{
    (void)st;
    STEPS({"GET /api/v1/namespaces/a%2Fb/pods/p-0 HTTP/1.1\r\n",
           OK_JSON "{\"metadata\":{\"name\":\"p-0\",\"labels\":{\"a.b/c\":\"d\"}}}"});
    kube_get(x.k, &KUBE_POD, "a/b", "p-0", on_done, &x);
    assert_int_equal(x.calls, 0); /* never from inside the starter */
    wait_done(&x);
    assert_string_equal(kube_label(x.obj, "a.b/c"), "d");
    assert_non_null(strstr(x.api.requests[0], "Authorization: Bearer t0k\r\n"));
    teardown(&x);
}

static void test_status_words(void **st)
{
    (void)st;
    STEPS({"PATCH /apis/apps/v1/namespaces/n/statefulsets/s?fieldManager=pg-swarm&force=true ",
           STATUS(422, "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"StatefulSet is "
                       "invalid\",\"details\":{\"causes\":[{\"field\":\"spec.replicas\","
                       "\"message\":\"must be positive\"}]}}")});
    cJSON *o = cJSON_Parse("{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\"}}");
    kube_apply(x.k, &KUBE_STATEFULSET, o, true, on_done, &x);
    cJSON_Delete(o);
    wait_done(&x);
    assert_int_equal(x.err.code, ERR_INVALID);
    assert_string_equal(x.err.msg, "StatefulSet is invalid; spec.replicas: must be positive");
    assert_non_null(strstr(x.api.requests[0], "application/apply-patch+yaml"));
    assert_non_null(
        strstr(x.api.requests[0], "\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\""));
    teardown(&x);
}

static void test_error_codes(void **st)
{
    (void)st;
    static const struct {
        int http;
        const char *body;
        ErrCode code;
        const char *text;
    } CASES[] = {
        {409, "{\"reason\":\"AlreadyExists\",\"message\":\"x\"}", ERR_EXISTS, "x"},
        {409, "{\"reason\":\"Conflict\",\"message\":\"x\"}", ERR_CONFLICT, "x"},
        {401, "{\"message\":\"Unauthorized\"}", ERR_UNAUTHENTICATED, "Unauthorized"},
        {403, "{\"message\":\"no\"}", ERR_FORBIDDEN, "no"},
        {404, "{\"reason\":\"NotFound\"}", ERR_NOT_FOUND, "NotFound"},
        {410, "", ERR_GONE, "HTTP 410 without a reason"},
        {429, "{}", ERR_EXHAUSTED, "HTTP 429 without a reason"},
        {500, "boom\nsecond", ERR_UNAVAILABLE, "HTTP 500: boom"},
        {504, "{\"message\":\"slow\"}", ERR_TIMEOUT, "slow"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Error err;
        assert_int_equal(kube_status_error(CASES[i].http, sv(CASES[i].body), &err), CASES[i].code);
        assert_string_equal(err.msg, CASES[i].text);
    }
}

static void test_retry_after(void **st)
{
    (void)st;
    STEPS({"POST /api/v1/namespaces/n/configmaps?fieldManager=pg-swarm ",
           "HTTP/1.1 429 x\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{}"},
          {"POST /api/v1/namespaces/n/configmaps",
           "HTTP/1.1 503 x\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{\"message\":\"m\"}"});
    uint64_t t0 = clock_mono_ms();
    cJSON *o = cJSON_Parse("{\"metadata\":{\"name\":\"s\"}}");
    kube_create(x.k, &KUBE_CONFIGMAP, "n", o, on_done, &x);
    cJSON_Delete(o);
    wait_done(&x);
    /* the 429 was waited for; a 503 of a POST is not repeated */
    assert_true(clock_mono_ms() - t0 >= 900);
    assert_int_equal(x.err.code, ERR_UNAVAILABLE);
    teardown(&x);
}

static void test_pages_and_stale_token(void **st)
{
    (void)st;
    STEPS({"limit=2 ", OK_JSON "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"c/1\"},"
                               "\"items\":[{\"a\":1},{\"a\":2}]}"},
          {"limit=2&continue=c%2F1 ", STATUS(410, "{\"message\":\"too old\"}")},
          {"GET /api/v1/pods?labelSelector=a%3Db HTTP",
           OK_JSON "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"a\":3}]}"});
    KubeListOptions opt = {.label_selector = "a=b", .limit = 2};
    kube_list(x.k, &KUBE_POD, NULL, &opt, on_done, &x);
    wait_done(&x);
    assert_int_equal(cJSON_GetArraySize(kube_at(x.obj, "items")), 1);
    assert_int_equal(kube_int(x.obj, "items[0].a", 0), 3);
    teardown(&x);
}

static void test_pages_joined(void **st)
{
    (void)st;
    STEPS({"limit=500", OK_JSON "{\"metadata\":{\"continue\":\"x\"},\"items\":[{\"a\":1}]}"},
          {"continue=x", OK_JSON "{\"metadata\":{},\"items\":[{\"a\":2},{\"a\":3}]}"});
    kube_list(x.k, &KUBE_NODE, NULL, NULL, on_done, &x);
    wait_done(&x);
    assert_int_equal(cJSON_GetArraySize(kube_at(x.obj, "items")), 3);
    teardown(&x);
}

static void test_discovery(void **st)
{
    (void)st;
    STEPS({"GET /apis/policy HTTP", OK_JSON "{\"versions\":[{\"version\":\"v1beta1\"}]}"},
          {"GET /apis/policy/v1beta1/namespaces/n/poddisruptionbudgets/p ", OK_JSON "{}"});
    kube_get(x.k, &KUBE_PDB, "n", "p", on_done, &x);
    wait_done(&x);
    assert_non_null(x.obj);
    teardown(&x);
}

static void write_file(const char *path, const char *text)
{
    char tmp[256];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0); /* another inode, as the kubelet does it */
}

static void test_token_rotates(void **st)
{
    (void)st;
    char path[] = "/tmp/pgswarm-token-XXXXXX";
    close(mkstemp(path));
    write_file(path, "one\n");
    static const FakeStep steps[] = {{"Bearer one\r\n", OK_JSON "{}", false, false},
                                     {"Bearer two\r\n", OK_JSON "{}", false, false}};
    Fixture x;
    setup(&x, steps, 2, path);
    kube_get(x.k, &KUBE_POD, "n", "p", on_done, &x);
    wait_done(&x);
    write_file(path, "two\n");
    x.done = false;
    x.calls = 0;
    cJSON_Delete(x.obj);
    kube_get(x.k, &KUBE_POD, "n", "p", on_done, &x);
    wait_done(&x);
    unlink(path);
    teardown(&x);
}

static void test_no_token_file(void **st)
{
    (void)st;
    Fixture x;
    setup(&x, NULL, 0, "/nonexistent/token");
    kube_get(x.k, &KUBE_POD, "n", "p", on_done, &x);
    assert_int_equal(x.calls, 0);
    wait_done(&x);
    assert_int_equal(x.err.code, ERR_NOT_FOUND);
    teardown(&x);
}

static void test_cancel(void **st)
{
    (void)st;
    STEPS({"GET /api/v1/nodes/a ", OK_JSON "{}"});
    KubeCall *c = kube_get(x.k, &KUBE_NODE, NULL, "b", on_done, &x);
    kube_cancel(c);
    kube_get(x.k, &KUBE_NODE, NULL, "a", on_done, &x);
    wait_done(&x);
    teardown(&x);
}

/* ---- logs ---- */

typedef struct LogGot {
    Fixture *x;
    StrBuf text;
    KubeCall *call;
    bool cancel_inside;
} LogGot;

static bool on_log(void *ctx, const char *data, size_t n)
{
    LogGot *g = ctx;
    strbuf_add(&g->text, data, n);
    if (g->cancel_inside) {
        kube_cancel(g->call);
        g->x->done = true;
    }
    return true;
}

static void on_log_end(void *ctx, const Error *err)
{
    LogGot *g = ctx;
    on_done(g->x, err, NULL);
}

static void test_log(void **st)
{
    (void)st;
    STEPS({"GET /api/v1/namespaces/n/pods/p/log?container=postgres&tailLines=3&follow=true ",
           OK_JSON "one\ntwo\n"},
          {"/log?container=x ", STATUS(400, "{\"message\":\"container x is not valid\"}")},
          {"/log ", OK_JSON "line\n", false, true});
    LogGot g = {.x = &x};
    KubeLogSpec spec = {.ns = "n",
                        .pod = "p",
                        .container = "postgres",
                        .tail_lines = 3,
                        .follow = true,
                        .on_data = on_log,
                        .on_end = on_log_end,
                        .ctx = &g};
    kube_log(x.k, &spec);
    wait_done(&x);
    assert_string_equal(g.text.p, "one\ntwo\n");
    assert_int_equal(x.err.code, ERR_OK);
    x.done = false;
    x.calls = 0;
    kube_log(x.k, &(KubeLogSpec){.ns = "n",
                                 .pod = "p",
                                 .container = "x",
                                 .on_data = on_log,
                                 .on_end = on_log_end,
                                 .ctx = &g});
    wait_done(&x);
    assert_string_equal(x.err.msg, "container x is not valid");
    x.done = false;
    x.calls = 0;
    g.cancel_inside = true;
    g.call = kube_log(
        x.k,
        &(KubeLogSpec){.ns = "n", .pod = "p", .on_data = on_log, .on_end = on_log_end, .ctx = &g});
    assert_true(loop_run_until(x.l, &x.done, WAIT_MS));
    assert_int_equal(x.calls, 0);
    strbuf_done(&g.text);
    teardown(&x);
}

/* ---- watch ---- */

typedef struct Seen {
    Fixture x;
    StrBuf text; /* "+a ~a -a S " */
    StrBuf states;
    const char *until;
    KubeWatch *w;
    bool stop_at_first;
    uint64_t idle_ms; /* 0: none of the test's */
} Seen;

static void on_event(void *ctx, KubeEvent ev, const cJSON *obj)
{
    Seen *s = ctx;
    static const char MARK[] = {'+', '~', '-', 'S'};
    strbuf_addf(&s->text, "%c%s ", MARK[ev], obj ? kube_str(obj, "metadata.name") : "");
    if (strstr(s->text.p, s->until))
        s->x.done = true;
    if (s->stop_at_first) {
        kube_watch_stop(s->w);
        s->w = NULL;
    }
}

static void on_state(void *ctx, bool connected, const Error *err)
{
    Seen *s = ctx;
    strbuf_addf(&s->states, "%s ", connected ? "up" : err_name(err->code));
}

static void run_watch(Seen *s, const FakeStep *steps, size_t n, const char *until)
{
    setup(&s->x, steps, n, NULL);
    s->until = until;
    KubeWatchSpec spec = {.kind = &KUBE_POD,
                          .ns = "n",
                          .on_event = on_event,
                          .on_state = on_state,
                          .idle_ms = s->idle_ms ? s->idle_ms : WAIT_MS,
                          .ctx = s};
    s->w = kube_watch(s->x.k, &spec);
    if (!loop_run_until(s->x.l, &s->x.done, WAIT_MS))
        fail_msg("wanted \"%s\" in \"%s\"", until, strbuf_str(&s->text));
}

static void end_watch(Seen *s)
{
    kube_watch_stop(s->w);
    strbuf_done(&s->text);
    strbuf_done(&s->states);
    teardown(&s->x);
}

#define POD(name, uid, rv)                                                          \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"" uid "\"," \
    "\"resourceVersion\":\"" rv "\"}}"
#define LIST(rv, ...) \
    OK_JSON "{\"metadata\":{\"resourceVersion\":\"" rv "\"},\"items\":[" __VA_ARGS__ "]}"
#define EV(type, obj) "{\"type\":\"" type "\",\"object\":" obj "}\n"
#define ERR_LINE(code) "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" #code "}}\n"

static void test_watch_goes_on_where_it_ended(void **st)
{
    (void)st;
    static const FakeStep script[] = {
        {"pods?limit=500 ", LIST("10", POD("a", "u1", "3")), false, false},
        {"watch=true&allowWatchBookmarks=true&resourceVersion=10&",
         OK_JSON EV("ADDED", POD("b", "u2", "11")) EV("MODIFIED", POD("a", "u1", "12")), true,
         false},
        {"resourceVersion=12&", /* a repeat is not told again */
         OK_JSON EV("MODIFIED", POD("a", "u1", "12")) EV("DELETED", POD("b", "u2", "13"))
             EV("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"99\"}}"),
         false, false},
        {"resourceVersion=99&", OK_JSON EV("ADDED", POD("c", "u3", "100")), false, true},
    };
    Seen s = {0};
    run_watch(&s, script, 4, "+c");
    assert_string_equal(s.text.p, "+a S +b ~a -b +c ");
    assert_string_equal(s.states.p, "up ");
    end_watch(&s);
}

static void test_watch_410_tells_what_vanished(void **st)
{
    (void)st;
    static const FakeStep script[] = {
        {"limit=500 ",
         LIST("10", POD("a", "u1", "3") "," POD("b", "u2", "4") "," POD("c", "u3", "5")), false,
         false},
        {"resourceVersion=10&", OK_JSON ERR_LINE(410), false, false},
        /* b is gone, c is another object of the same name, a is as it was */
        {"limit=500 ", LIST("20", POD("a", "u1", "3") "," POD("c", "u9", "19")), false, false},
        {"resourceVersion=20&", STATUS(410, "{\"code\":410}"), false, false},
        {"limit=500 ", LIST("30", POD("a", "u1", "3") "," POD("c", "u9", "19")), false, false},
    };
    Seen s = {0};
    run_watch(&s, script, 5, "S -c +c -b S S ");
    assert_string_equal(s.text.p, "+a +b +c S -c +c -b S S ");
    end_watch(&s);
}

static void test_watch_broken_lines(void **st)
{
    (void)st;
    static const FakeStep script[] = {
        {"limit=500 ", LIST("10"), false, false},
        {"resourceVersion=10&", OK_JSON EV("ADDED", POD("a", "u1", "11")) "{\"type\":\"AD#\n",
         false, true},
        {"resourceVersion=11&", OK_JSON "not json\n", false, true},
        {"limit=500 ", LIST("12", POD("a", "u1", "11")), false, false},
        {"resourceVersion=12&", OK_JSON EV("ADDED", POD("b", "u2", "13")), false, true},
    };
    Seen s = {0};
    uint64_t bad = kube_watch_stats()->bad_lines;
    run_watch(&s, script, 5, "+b");
    assert_string_equal(s.text.p, "S +a S +b ");
    assert_int_equal(kube_watch_stats()->bad_lines - bad, 2);
    end_watch(&s);
}

static void test_watch_silence_and_failures(void **st)
{
    (void)st;
    static const FakeStep script[] = {
        {"limit=500 ", STATUS(403, "{\"message\":\"forbidden\"}"), false, false},
        {"limit=500 ", LIST("10"), false, false},
        {"resourceVersion=10&", NULL, false, true}, /* silent: left after idle_ms */
        {"resourceVersion=10&", STATUS(500, "{\"message\":\"etcd\"}"), false, false},
        {"limit=500 ", LIST("11"), false, false},
        {"resourceVersion=11&", OK_JSON EV("ADDED", POD("a", "u1", "12")), false, true},
    };
    Seen s = {.idle_ms = IDLE_MS};
    run_watch(&s, script, 6, "+a");
    assert_string_equal(s.text.p, "S S +a ");
    assert_string_equal(s.states.p, "forbidden up unavailable up ");
    end_watch(&s);
}

static void test_watch_stop_inside(void **st)
{
    (void)st;
    static const FakeStep script[] = {
        {"limit=500 ", LIST("10", POD("a", "u1", "3") "," POD("b", "u2", "4")), false, false},
    };
    Seen s = {.stop_at_first = true};
    run_watch(&s, script, 1, "+a");
    assert_string_equal(s.text.p, "+a ");
    end_watch(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_pages_and_stale_token),
        cmocka_unit_test(test_pages_joined),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_token_rotates),
        cmocka_unit_test(test_no_token_file),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_watch_goes_on_where_it_ended),
        cmocka_unit_test(test_watch_410_tells_what_vanished),
        cmocka_unit_test(test_watch_broken_lines),
        cmocka_unit_test(test_watch_silence_and_failures),
        cmocka_unit_test(test_watch_stop_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
