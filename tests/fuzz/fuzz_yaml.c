/* tests/fuzz/fuzz_yaml.c - YAML of a user: what is read is written so that it reads the same. */
#include "codec/yaml.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    if (yaml_parse_all(a, sv_n((const char *)data, n), 1 << 20, &docs, &err))
        return 0;
    for (size_t i = 0; i < docs.n; i++) {
        AUTO_STRBUF b = {0};
        cJSON *again;
        yaml_write(&b, docs.at[i]);
        if (yaml_parse(a, sv_n(b.p, b.n), 16 << 20, &again, &err) ||
            !str_eq(json_text(a, again), json_text(a, docs.at[i])))
            abort();
    }
    return 0;
}
