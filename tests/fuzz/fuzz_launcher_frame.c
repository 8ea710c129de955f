/* What arrives at launcher.sock: frames decode to texts that end inside the frame, or not at all;
 * what decodes encodes again. */
#include "core/launcher_proto.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    while (size) {
        LpMsg m, again;
        ptrdiff_t used = lp_decode(p, size, &m);
        if (used <= 0)
            break;
        AUTO_STRBUF b = {0};
        lp_encode(&b, &m);
        if (lp_decode(b.p, b.n, &again) <= 0 || again.type != m.type || again.id != m.id)
            abort();
        for (int f = 0; f < LPF_COUNT; f++)
            if (again.num[f] != m.num[f] || (m.text[f] && strlen(m.text[f]) <= LP_LOG_LINE &&
                                             !str_eq(again.text[f], m.text[f])))
                abort();
        p += used;
        size -= (size_t)used;
    }
    return 0;
}
