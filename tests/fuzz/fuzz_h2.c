/* Bytes of a stranger into an HTTP/2 server session that answers what it understands. The preface
 * is put in front, so that the search does not have to find it. */
#include "net/h2.h"
#include <stdint.h>
#include <stdlib.h>

static void on_headers(void *ctx, H2Stream *s, H2Block block, const H2Headers *h, bool end)
{
    (void)ctx, (void)end;
    static const H2Field ok[] = {{{":status", 7}, {"200", 3}}};
    if (block != H2_REQUEST)
        return;
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].name.n && !h->at[i].name.p)
            abort();
    bool at_once = h2_header(h, "x-end").p != NULL;
    h2_respond(s, ok, 1, at_once);
}

static void on_data(void *ctx, H2Stream *s, const char *p, size_t n)
{
    (void)ctx;
    h2_send(s, SV("echo"), sv_n(p, n));
    if (n % 3)
        h2_consume(s, n);
    if (n % 7 == 5)
        h2_reset(s, H2_CANCEL);
}

static void on_half_close(void *ctx, H2Stream *s)
{
    (void)ctx;
    static const H2Field trailer[] = {{{"grpc-status", 11}, {"0", 1}}};
    h2_send_trailers(s, trailer, 1);
}

static void on_close(void *ctx, H2Stream *s, int code)
{
    (void)s, (void)code;
    ++*(unsigned *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const H2Events events = {
        .on_headers = on_headers,
        .on_data = on_data,
        .on_half_close = on_half_close,
        .on_close = on_close,
    };
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    unsigned closed = 0;
    if (n < 1)
        return 0;
    size_t step = *p++ + 1u;
    n--;
    H2 *h = h2_new(&(H2Config){.min_ping_ms = 1000, .header_limit = 2000}, &events, &closed, NULL);
    Error err;
    bool alive = h2_recv(h, preface, sizeof preface - 1, 1, &err) == ERR_OK;
    for (size_t at = 0; at < n && alive; at += step) {
        AUTO_STRBUF out = {0};
        size_t piece = n - at < step ? n - at : step;
        alive = h2_recv(h, (const char *)p + at, piece, 1 + at, &err) == ERR_OK;
        alive = h2_pull(h, &out, 65536) && alive;
        h2_tick(h, 1 + at);
    }
    h2_free(h);
    return 0;
}
