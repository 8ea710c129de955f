/* Messages out of a byte stream: the first byte chooses the size of the pieces and whether gzip was
 * announced; however it is cut, the outcome must be the same. */
#include "grpc/frame.h"
#include <stdint.h>
#include <stdlib.h>

enum { MAX_MESSAGE = 4096 };

static void run(const uint8_t *p, size_t n, size_t step, bool gzip, StrBuf *out)
{
    GrpcFramer f = {.max_message = MAX_MESSAGE, .gzip = gzip};
    bool bad = false;
    for (size_t at = 0; at < n && !bad; at += step) {
        StrView in = sv_n((const char *)p + at, n - at < step ? n - at : step), msg;
        GrpcCode code;
        Error err;
        GrpcFrameResult r;
        while ((r = grpc_frame_next(&f, &in, &msg, &code, &err)) == GRPC_FRAME_MESSAGE) {
            if (msg.n > MAX_MESSAGE)
                abort();
            strbuf_add(out, msg.p, msg.n);
            strbuf_addc(out, '|');
            grpc_frame_done(&f);
        }
        bad = r == GRPC_FRAME_BAD;
        if (bad)
            strbuf_addf(out, "!%d", (int)code);
    }
    grpc_frame_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_STRBUF whole = {0}, cut = {0};
    if (n < 1)
        return 0;
    bool gzip = *p & 1;
    size_t step = (*p >> 1) + 1;
    run(p + 1, n - 1, n, gzip, &whole);
    run(p + 1, n - 1, step, gzip, &cut);
    if (whole.n != cut.n || (whole.n && memcmp(whole.p, cut.p, whole.n) != 0))
        abort();
    return 0;
}
