#include "stamp.h"

#include "core/file.h"
#include <inttypes.h>
#include <stdio.h>

ErrCode stamp_write(const char *dir, const Stamp *s, Error *err)
{
    AUTO_ARENA a = arena_new_sized(1024);
    const char *text =
        arena_printf(a,
                     "role=%s\nepoch=%" PRIu64 "\nsystem_id=%" PRIu64 "\nsealed=%" PRIu64
                     "\npromoting_from=%u\npromoted_epoch=%" PRIu64 "\npromoted_timeline=%u\n",
                     lp_role_name(s->role), s->epoch, s->system_id, s->sealed, s->promoting_from,
                     s->promoted_epoch, s->promoted_timeline);
    return file_write_atomic(arena_printf(a, "%s/pgswarm.stamp", dir), sv(text), 0600, err);
}

static LpRole role_of(StrView name)
{
    return sv_eqs(name, "primary")   ? LP_ROLE_PRIMARY
           : sv_eqs(name, "standby") ? LP_ROLE_STANDBY
                                     : LP_ROLE_NONE;
}

bool stamp_parse(StrView text, Stamp *ret)
{
    enum { ROLE = 1, EPOCH = 2, SYSTEM_ID = 4, NEEDED = 7 };
    Stamp s = {0};
    uint64_t promoting_from = 0, promoted_timeline = 0;
    const struct {
        const char *key;
        uint64_t *to;
        unsigned bit;
    } numbers[] = {
        {"epoch", &s.epoch, EPOCH},
        {"system_id", &s.system_id, SYSTEM_ID},
        {"sealed", &s.sealed, 0},
        {"promoting_from", &promoting_from, 0},
        {"promoted_epoch", &s.promoted_epoch, 0},
        {"promoted_timeline", &promoted_timeline, 0},
    };
    unsigned seen = 0;
    while (text.n) {
        StrView value = sv_cut(&text, '\n'), key = sv_cut(&value, '=');
        if (sv_eqs(key, "role")) {
            s.role = role_of(value);
            seen |= s.role ? ROLE : 0;
        }
        char num[24];
        snprintf(num, sizeof num, SV_FMT, SV_ARG(value));
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (sv_eqs(key, numbers[i].key)) {
                if (!str_to_u64(num, numbers[i].to))
                    return false;
                seen |= numbers[i].bit;
            }
    }
    if (seen != NEEDED || promoting_from > UINT32_MAX || promoted_timeline > UINT32_MAX)
        return false;
    s.promoting_from = (uint32_t)promoting_from;
    s.promoted_timeline = (uint32_t)promoted_timeline;
    *ret = s;
    return true;
}

bool stamp_read(const char *dir, Stamp *ret)
{
    AUTO_ARENA a = arena_new_sized(1024);
    StrView text;
    return file_read(a, arena_printf(a, "%s/pgswarm.stamp", dir), 4096, &text, NULL) == ERR_OK &&
           stamp_parse(text, ret);
}
