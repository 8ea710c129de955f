#include "install.h"

#include "core/file.h"

enum { PROGRAM_MAX = 64 * 1024 * 1024 };

ErrCode install_self(const char *dest, Error *err)
{
    AUTO_ARENA a = arena_new();
    StrView self;
    if (file_read(a, "/proc/self/exe", PROGRAM_MAX, &self, err) ||
        file_write_atomic(dest, self, 0755, err))
        return err_wrap(err, "install");
    return ERR_OK;
}
