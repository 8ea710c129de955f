/* What a stranger may send as a git-upload-pack request, plain and as gzip. */
#include "gitstore/gitstore.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        gitstore_init();
    ready = true;
    AUTO_ARENA a = arena_new();
    GitObjects *o = gitobjs_new();
    char hex[GIT_OID_HEX + 1];
    GitFile file = {"profile.json", SV("{}")};
    StrView resp;
    Error err;
    if (githist_commit(o, &(GitCommitSpec){.files = &file, .n = 1, .author = "a"}, hex, &err))
        __builtin_trap();
    bool gzip = size && (data[0] & 1);
    ErrCode rc = gitserve_upload_pack(o, a, sv_n((const char *)data, size), gzip, &resp, &err);
    if (rc && rc != err.code)
        __builtin_trap();
    gitobjs_free(o);
    return 0;
}
