/* tests/fuzz/fuzz_hba.c - a line of pg_hba.conf: what is accepted is one line, and reads the same
 * when it is written out. */
#include "model/hba.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (unsigned major = 13; major <= 18; major++) {
        AUTO_ARENA a = arena_new();
        HbaRule r, again;
        Error err = {0};
        const char *line = arena_strndup(a, (const char *)data, n);
        if (hba_parse(a, line, major, &r, &err))
            continue;
        char *text = hba_text(a, &r);
        if (strpbrk(line, "\r\n") || hba_parse(a, text, major, &again, &err) ||
            !str_eq(hba_text(a, &again), text))
            abort();
    }
    return 0;
}
