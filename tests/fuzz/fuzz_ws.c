/* net/ws: the first byte chooses the end and the cut, the rest are frames. Messages that get
 * through are within the limit, and text is UTF-8. */
#include "net/ws.h"
#include <stdlib.h>

enum { LIMIT = 4096 };

static void on_message(void *ctx, const char *p, size_t n, bool binary)
{
    (void)ctx;
    if (n > LIMIT || (!binary && n && !utf8_valid(p, n) && !memchr(p, 0, n)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const WsEvents EVENTS = {.on_message = on_message};
    if (n == 0)
        return 0;
    Ws *w = ws_new(data[0] & 1, LIMIT, &EVENTS, NULL);
    StrBuf out = {0};
    size_t piece = (size_t)(data[0] >> 1) + 1;
    for (size_t at = 1; at < n; at += piece) {
        ws_recv(w, (const char *)data + at, n - at < piece ? n - at : piece);
        ws_pull(w, &out);
    }
    ws_send(w, "x", 1, false);
    ws_close(w, WS_NORMAL, "end");
    ws_pull(w, &out);
    ws_free(w);
    strbuf_done(&out);
    return 0;
}
