#include "grpc/frame.h"

#include <zlib.h>

enum { GZIP_WINDOW = 16 + MAX_WBITS, INFLATE_STEP = 16 * 1024 };

void grpc_prefix(unsigned char ret[GRPC_PREFIX_LEN], size_t n)
{
    ret[0] = 0;
    for (int i = 0; i < 4; i++)
        ret[1 + i] = (unsigned char)(n >> (24 - 8 * i));
}

static GrpcFrameResult bad(GrpcCode *ret_code, GrpcCode code, Error *err, const char *text)
{
    *ret_code = code;
    err_set(err, code == GRPC_RESOURCE_EXHAUSTED ? ERR_TOO_LARGE : ERR_MALFORMED, "%s", text);
    return GRPC_FRAME_BAD;
}

/* A fresh context for each message, and never more output than a message may have. */
static bool inflate_message(GrpcFramer *f, StrView in, bool *ret_too_large)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    int rc = inflateInit2(&z, GZIP_WINDOW);
    while (rc == Z_OK && !*ret_too_large) {
        strbuf_reserve(&f->inflated, INFLATE_STEP);
        z.next_out = (Bytef *)f->inflated.p + f->inflated.n;
        z.avail_out = INFLATE_STEP;
        rc = inflate(&z, Z_NO_FLUSH);
        f->inflated.n += INFLATE_STEP - z.avail_out;
        *ret_too_large = f->inflated.n > f->max_message;
    }
    bool whole = rc == Z_STREAM_END && z.avail_in == 0;
    inflateEnd(&z);
    return whole;
}

/* A whole message: unpack it if need be. */
static GrpcFrameResult deliver(GrpcFramer *f, StrView body, StrView *ret_msg, GrpcCode *ret_code,
                               Error *err)
{
    bool compressed = f->prefix[0] == 1, too_large = false;
    f->prefix_n = 0;
    *ret_msg = body;
    if (!compressed)
        return GRPC_FRAME_MESSAGE;
    bool whole = inflate_message(f, body, &too_large);
    if (too_large)
        return bad(ret_code, GRPC_RESOURCE_EXHAUSTED, err, "message too large when inflated");
    if (!whole)
        return bad(ret_code, GRPC_INTERNAL, err, "compressed message does not inflate");
    *ret_msg = sv_n(f->inflated.p, f->inflated.n);
    return GRPC_FRAME_MESSAGE;
}

static GrpcFrameResult check_prefix(GrpcFramer *f, GrpcCode *ret_code, Error *err)
{
    f->want = 0;
    for (int i = 1; i < GRPC_PREFIX_LEN; i++)
        f->want = f->want << 8 | f->prefix[i];
    if (f->prefix[0] > 1)
        return bad(ret_code, GRPC_INTERNAL, err, "message flag is neither 0 nor 1");
    if (f->prefix[0] == 1 && !f->gzip)
        return bad(ret_code, GRPC_INTERNAL, err, "compressed message without grpc-encoding");
    if (f->want > f->max_message) {
        *ret_code = GRPC_RESOURCE_EXHAUSTED;
        err_set(err, ERR_TOO_LARGE, "message of %zu bytes, at most %zu are taken", f->want,
                f->max_message);
        return GRPC_FRAME_BAD;
    }
    return GRPC_FRAME_MORE;
}

GrpcFrameResult grpc_frame_next(GrpcFramer *f, StrView *in, StrView *ret_msg, GrpcCode *ret_code,
                                Error *err)
{
    while (f->prefix_n < GRPC_PREFIX_LEN) {
        if (in->n == 0)
            return GRPC_FRAME_MORE;
        f->prefix[f->prefix_n++] = (unsigned char)*in->p++;
        in->n--;
        if (f->prefix_n == GRPC_PREFIX_LEN && check_prefix(f, ret_code, err) == GRPC_FRAME_BAD)
            return GRPC_FRAME_BAD;
    }
    size_t missing = f->want - f->gathered.n;
    StrView piece = sv_n(in->p, in->n < missing ? in->n : missing);
    in->p += piece.n;
    in->n -= piece.n;
    if (piece.n == f->want)
        return deliver(f, piece, ret_msg, ret_code, err);
    strbuf_add(&f->gathered, piece.p, piece.n);
    if (f->gathered.n < f->want)
        return GRPC_FRAME_MORE;
    return deliver(f, sv_n(f->gathered.p, f->gathered.n), ret_msg, ret_code, err);
}

bool grpc_frame_at_edge(const GrpcFramer *f)
{
    return f->prefix_n == 0;
}

void grpc_frame_done(GrpcFramer *f)
{
    strbuf_done(&f->gathered);
    strbuf_done(&f->inflated);
}
