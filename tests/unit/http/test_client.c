/* http/client against a scripted server on the same loop: what comes back for each way an exchange
 * can go. */
#include "http/client.h"

#include "loop/stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WAIT_MS = 60000, TURN_MS = 5 };

typedef struct Fixture {
    Loop *loop;
    Listener *listener;
    HttpClient *client;
    unsigned peers; /* connections of the scripted server */
    char base[64];
} Fixture;

/* One connection of the scripted server: the path of the request chooses the answer. */
typedef struct Peer {
    Fixture *f;
    Stream *s;
    StrBuf in;
} Peer;

static void peer_closed(void *ctx, const Error *err)
{
    (void)err;
    Peer *p = ctx;
    p->f->peers--;
    strbuf_done(&p->in);
    free(p);
}

static void say(Peer *p, const char *text)
{
    stream_write(p->s, text, strlen(text));
}

static void answer(Peer *p, const char *req)
{
    if (str_starts(req, "GET /hello ")) {
        say(p, "HTTP/1.1 100 Continue\r\n\r\n");
        say(p, "HTTP/1.1 200 OK\r\nX-Test:  one two \r\nContent-Length: 5\r\n\r\nhello");
    } else if (str_starts(req, "GET /missing ")) {
        say(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    } else if (str_starts(req, "GET /big ")) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    } else if (str_starts(req, "GET /chunks ")) {
        say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        say(p, "3\r\ntwo\r\n0\r\n\r\n");
    } else if (str_starts(req, "GET /stall ")) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    } else if (str_starts(req, "GET /cut ")) {
        say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
        stream_shutdown(p->s);
    } else if (str_starts(req, "GET /junk ")) {
        say(p, "\x01\x02 what is this\r\n\r\n");
        stream_shutdown(p->s);
    } else if (str_starts(req, "PATCH /echo ")) {
        const char *body = strstr(req, "\r\n\r\n") + 4;
        bool plain = !strstr(req, "Expect:") && !strstr(req, "Content-Type:");
        char out[256];
        snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                 plain ? "200 OK" : "400 Bad", strlen(body), body);
        say(p, out);
    }
}

static void peer_read(void *ctx, const char *data, size_t n)
{
    Peer *p = ctx;
    strbuf_add(&p->in, data, n);
    const char *end = strstr(strbuf_str(&p->in), "\r\n\r\n");
    if (!end || (str_starts(p->in.p, "PATCH") && !end[4]))
        return;
    answer(p, p->in.p);
    strbuf_reset(&p->in);
}

static void peer_accept(void *ctx, Stream *s)
{
    static const StreamEvents ev = {.on_read = peer_read, .on_close = peer_closed};
    Peer *p = xnew(Peer);
    p->f = ctx;
    p->f->peers++;
    p->s = s;
    stream_set_events(s, &ev, p);
}

static int setup(void **state)
{
    Fixture *f = xnew(Fixture);
    Error err;
    f->loop = loop_new();
    assert_int_equal(listener_open(f->loop, "127.0.0.1:0", peer_accept, f, &f->listener, &err), 0);
    assert_int_equal(http_client_new(f->loop, &(HttpClientConfig){0}, &f->client, &err), 0);
    snprintf(f->base, sizeof f->base, "http://127.0.0.1:%d", listener_port(f->listener));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    http_client_free(f->client);
    listener_close(f->listener);
    /* Let the peers see their streams close, so that they free themselves. */
    bool never = false;
    for (int i = 0; i < WAIT_MS / TURN_MS && f->peers; i++)
        loop_run_until(f->loop, &never, TURN_MS);
    assert_int_equal(f->peers, 0);
    loop_free(f->loop);
    free(f);
    return 0;
}

typedef struct Outcome {
    bool done;
    ErrCode code;
    char msg[480], body[256], header[64];
    int status, pieces, resumes;
    HttpCall *call;
    Loop *loop;
    Timer *timer;
    HttpClient *free_me;
} Outcome;

static void note_done(void *ctx, const Error *err, const HttpResponse *r)
{
    Outcome *o = ctx;
    assert_false(o->done);
    o->done = true;
    if (err) {
        o->code = err->code;
        snprintf(o->msg, sizeof o->msg, "%s", err->msg);
        return;
    }
    o->status = r->status;
    if (r->body.n)
        snprintf(o->body, sizeof o->body, "%s", r->body.p);
    snprintf(o->header, sizeof o->header, "%s", str_or(r->header(r, "x-test"), ""));
    if (o->free_me)
        http_client_free(o->free_me);
}

static void run(Fixture *f, HttpCallSpec spec, const char *path, Outcome *o)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", *path == '/' ? f->base : "", path);
    spec.url = url;
    spec.method = str_or(spec.method, "GET");
    spec.on_done = note_done;
    spec.ctx = o;
    o->loop = f->loop;
    o->call = http_call(f->client, &spec);
    assert_false(o->done); /* never from inside the starter */
    assert_true(loop_run_until(f->loop, &o->done, WAIT_MS));
}

static void test_answers(void **state)
{
    Outcome a = {0}, b = {0}, c = {0};
    run(*state, (HttpCallSpec){0}, "/hello", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    assert_string_equal(a.header, "one two");
    run(*state, (HttpCallSpec){0}, "/missing", &b);
    assert_int_equal(b.code, ERR_OK);
    assert_int_equal(b.status, 404);
    run(*state, (HttpCallSpec){.method = "PATCH", .body = SV("x=1")}, "/echo", &c);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body, "x=1");
}

static void test_errors_name_the_cause(void **state)
{
    static const struct {
        const char *path;
        HttpCallSpec spec;
        ErrCode code;
        const char *text;
    } CASES[] = {
        {"http://127.0.0.1:1/x?token=s3cret", {0}, ERR_UNAVAILABLE, "Connection refused"},
        {"ftp://127.0.0.1/x", {0}, ERR_INVALID, "not an http or https address"},
        {"http://no..such.host/", {0}, ERR_UNAVAILABLE, "name of the host"},
        {"/big", {.body_limit = 9}, ERR_TOO_LARGE, "larger than 9 bytes"},
        {"/stall", {.timeout_ms = 50}, ERR_TIMEOUT, "no answer in time"},
        {"/stall", {.idle_timeout_ms = 50}, ERR_TIMEOUT, "nothing came for 50 ms"},
        {"/cut", {0}, ERR_UNAVAILABLE, "broke off"},
        {"/junk", {0}, ERR_UNAVAILABLE, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Outcome o = {0};
        run(*state, CASES[i].spec, CASES[i].path, &o);
        assert_int_equal(o.code, CASES[i].code);
        assert_non_null(strstr(o.msg, CASES[i].text));
        assert_null(strstr(o.msg, "s3cret"));
        assert_non_null(strstr(o.msg, "GET "));
    }
}

static void resume_later(void *ctx)
{
    Outcome *o = ctx;
    o->resumes++;
    http_call_resume(o->call);
}

static bool take_and_pause(void *ctx, int status, const char *data, size_t n)
{
    Outcome *o = ctx;
    assert_int_equal(status, 200);
    assert_int_equal(o->pieces, o->resumes); /* nothing comes while paused */
    o->pieces++;
    snprintf(o->body + strlen(o->body), sizeof o->body - strlen(o->body), "%.*s", (int)n, data);
    timer_stop(o->timer);
    o->timer = timer_start(o->loop, 10, 0, resume_later, o);
    return false;
}

static void test_stream_pauses_and_goes_on(void **state)
{
    Outcome o = {0};
    run(*state, (HttpCallSpec){.on_data = take_and_pause, .idle_timeout_ms = WAIT_MS}, "/chunks",
        &o);
    timer_stop(o.timer);
    assert_int_equal(o.code, ERR_OK);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "onetwo");
}

static bool cancel_inside(void *ctx, int status, const char *data, size_t n)
{
    (void)status, (void)data, (void)n;
    Outcome *o = ctx;
    o->pieces++;
    http_call_cancel(o->call);
    return true;
}

static void test_cancel(void **state)
{
    Fixture *f = *state;
    char url[128];
    Outcome inside = {.loop = f->loop}, before = {.loop = f->loop}, after = {0};
    snprintf(url, sizeof url, "%s/chunks", f->base);
    HttpCallSpec spec = {
        .method = "GET", .url = url, .on_done = note_done, .on_data = cancel_inside};
    spec.ctx = &inside;
    inside.call = http_call(f->client, &spec);
    spec.ctx = &before;
    http_call_cancel(http_call(f->client, &spec));
    run(f, (HttpCallSpec){0}, "/hello", &after);
    bool never = false;
    for (int i = 0; i < WAIT_MS / TURN_MS && !inside.pieces; i++)
        loop_run_until(f->loop, &never, TURN_MS);
    loop_run_until(f->loop, &never, 50);
    assert_int_equal(inside.pieces, 1);
    assert_false(inside.done);
    assert_false(before.done || before.pieces);
    assert_int_equal(after.status, 200);
}

static void test_client_freed_from_its_own_callback(void **state)
{
    Fixture *f = *state;
    char url[128];
    Outcome other = {0}, last = {.free_me = f->client};
    snprintf(url, sizeof url, "%s/stall", f->base);
    http_call(f->client,
              &(HttpCallSpec){.method = "GET", .url = url, .on_done = note_done, .ctx = &other});
    run(f, (HttpCallSpec){0}, "/hello", &last);
    f->client = NULL;
    assert_int_equal(last.status, 200);
    assert_false(other.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_name_the_cause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_pauses_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_freed_from_its_own_callback, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
