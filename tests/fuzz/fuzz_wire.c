/* tests/fuzz/fuzz_wire.c - messages of every stream: what decodes encodes, and stays the same. */
#include "wire/registration.h"
#include "wire/satellite_stream.h"
#include "wire/sidecar_stream.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static StrView view(const StrBuf *b)
{
    return sv_n(strbuf_str(b), b->n);
}

static void up(Arena *a, StrView in)
{
    AUTO_STRBUF once = {0};
    AUTO_STRBUF twice = {0};
    SatelliteUp m;
    if (wire_up_decode(a, in, &m, NULL) || m.kind == UP_OTHER)
        return;
    wire_up_encode(&m, &once);
    if (wire_up_decode(a, view(&once), &m, NULL))
        abort();
    wire_up_encode(&m, &twice);
    if (!sv_eq(view(&once), view(&twice)))
        abort();
}

static void down(Arena *a, StrView in)
{
    AUTO_STRBUF once = {0};
    AUTO_STRBUF twice = {0};
    SatelliteDown m;
    FieldErrors errs = field_errors(a);
    if (wire_down_decode(a, in, &m, NULL) || m.kind == DOWN_OTHER)
        return;
    if (m.kind == DOWN_CLUSTER_CONFIG)
        cluster_spec_validate(a, &m.cluster, &errs);
    wire_down_encode(&m, &once);
    if (wire_down_decode(a, view(&once), &m, NULL))
        abort();
    wire_down_encode(&m, &twice);
    if (!sv_eq(view(&once), view(&twice)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    StrView in = sv_n((const char *)data, n);
    SidecarUp su;
    SidecarDown sd;
    RegisterRequest rq;
    RegisterResponse rs;
    ApprovalRequest aq;
    ApprovalResponse as;
    up(a, in);
    down(a, in);
    if (wire_sidecar_up_decode(a, in, &su, NULL) == ERR_OK && su.kind != SIDECAR_UP_OTHER) {
        AUTO_STRBUF b = {0};
        wire_sidecar_up_encode(&su, &b);
    }
    if (wire_sidecar_down_decode(a, in, &sd, NULL) == ERR_OK && sd.kind != SIDECAR_DOWN_OTHER) {
        AUTO_STRBUF b = {0};
        wire_sidecar_down_encode(&sd, &b);
    }
    if (wire_register_request_decode(a, in, &rq, NULL) == ERR_OK) {
        AUTO_STRBUF b = {0};
        wire_register_request_encode(&rq, &b);
    }
    int rc = wire_register_response_decode(a, in, &rs, NULL);
    rc |= (int)wire_approval_request_decode(a, in, &aq, NULL);
    rc |= (int)wire_approval_response_decode(a, in, &as, NULL);
    return rc < 0;
}
