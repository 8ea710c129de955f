/* tests/fuzz/fuzz_json_fields.c - a body of the REST interface: any bytes end in a struct or in
 * errors, and a struct writes what it reads. */
#include "api/schemas.h"
#include "model/profile_files.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void back_again(Arena *a, const Profile *p)
{
    ProfileFiles files;
    Profile back;
    ObjList changes;
    profile_to_files(a, p, &files);
    if (profile_from_files(a, &files, &back, NULL))
        abort();
    profile_diff(a, p, &back, &changes);
    if (changes.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    FieldErrors errs = field_errors(a);
    Error err = {0};
    Profile p;
    StrView text = sv_n((const char *)data, n);
    if (fields_decode_text(a, &profile_schema, text, &p, &errs, &err) == ERR_OK)
        back_again(a, &p);
    else if (!*err.msg)
        abort();
    cJSON *root;
    if (json_parse(a, text, 1 << 20, &root, &err))
        return 0;
    for (size_t i = 0; api_schemas[i]; i++) {
        void *obj = arena_alloc(a, api_schemas[i]->size);
        fields_decode(a, api_schemas[i], root, obj, "", &errs);
        char *out = fields_to_text(a, api_schemas[i], obj, 0);
        if (json_check(sv(out), 16 << 20, &err))
            abort();
    }
    return 0;
}
