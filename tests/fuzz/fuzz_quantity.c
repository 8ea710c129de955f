/* tests/fuzz/fuzz_quantity.c - quantities, networks, positions, names: text back and forth. */
#include "model/cidr.h"
#include "model/kname.h"
#include "model/lsn.h"
#include "model/quantity.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    Quantity q, again;
    Cidr c;
    uint64_t lsn, back;
    WalName w;
    char buf[LSN_TEXT_MAX];
    const char *s = arena_strndup(a, (const char *)data, n);
    if (quantity_parse(sv_n((const char *)data, n), &q)) {
        quantity_units(q);
        /* Canonical text may need more digits than we take, but never means something else. */
        if (quantity_parses(quantity_text(a, q), &again) && quantity_cmp(q, again) != 0)
            abort();
    }
    if (cidr_parse(s, false, &c) && !cidr_contains(&c, &c))
        abort();
    if (lsn_parse(s, &lsn) && (!lsn_parse(lsn_text(buf, lsn), &back) || back != lsn))
        abort();
    if (wal_name_parse(s, WAL_SEGMENT_DEFAULT, &w) && !w.timeline)
        abort();
    if (kname_cluster(s) && !kname_label(s))
        abort();
    kname_image(s);
    kname_label_key(s);
    kname_label_value(s);
    kname_identifier(s);
    return 0;
}
