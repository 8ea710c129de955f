/* net/h1: any bytes; read whole and byte by byte, both must see the same. */
#include "net/h1.h"
#include <stdlib.h>

static uint64_t digest(const uint8_t *data, size_t n, size_t piece)
{
    H1 *p = h1_new();
    uint64_t sum = 0, body = 0;
    H1Step s = H1_MORE;
    for (size_t at = 0; at < n && s != H1_BAD; at += piece) {
        StrView in = {(const char *)data + at, n - at < piece ? n - at : piece};
        while ((s = h1_next(p, &in)) != H1_MORE && s != H1_BAD) {
            if (s == H1_BODY)
                body += h1_body(p).n;
            else
                sum =
                    sum * 31 + (uint64_t)s + body * 7 + h1_head(p)->n_fields + h1_head(p)->target.n;
        }
    }
    sum = sum * 31 + (s == H1_BAD ? 1 : 0);
    h1_free(p);
    return s == H1_BAD ? sum : sum + body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (digest(data, n, n ? n : 1) != digest(data, n, 1))
        abort();
    return 0;
}
