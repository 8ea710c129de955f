/* tests/fuzz/fuzz_labels.c - selectors and label lists. */
#include "model/kname.h"
#include "model/labels.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    LabelSelector s;
    StrMap labels = {0}, again;
    Error err = {0};
    const char *text = arena_strndup(a, (const char *)data, n);
    if (labels_map_parse(a, text, &labels, &err) == ERR_OK) {
        if (labels_map_parse(a, labels_text(a, labels), &again, &err) || !strmap_eq(labels, again))
            abort();
        if (!labels_match(labels, again))
            abort();
    }
    if (labels_parse(a, text, &s, &err))
        return 0;
    for (size_t i = 0; i < s.n; i++)
        if (!kname_label_key(s.at[i].key))
            abort();
    labels_select(&s, labels);
    return 0;
}
