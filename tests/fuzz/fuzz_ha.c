/* What others wrote about durability and decisions: the lease's record, names in force, a record's
 * map. What is read is written the same way again. */
#include "codec/json.h"
#include "model/decision.h"
#include "model/durability.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(const char *text)
{
    char again[SYNC_TEXT_MAX];
    SyncSet s = {0}, back = {0};
    if (!sync_text_parse(text, "db", 7, &s) || !s.members)
        return;
    if (!sync_text_parse(sync_text(again, &s, "db", 7), "db", 7, &back) || back.k != s.k ||
        back.members != s.members)
        abort();
}

static void lease_record(const char *text)
{
    AUTO_ARENA a = arena_new();
    SyncSet s = {0}, back = {0};
    if (!sync_json_parse(text, "db", &s))
        return;
    if (!sync_json_parse(sync_json(a, &s, "db"), "db", &back) || !sync_equal(&s, &back))
        abort();
    SyncVotes v = sync_votes(&s, 0, s.members | 1);
    if (v.wanted && !v.proven)
        abort(); /* all that there are must be enough */
}

static void decision(const char *text, size_t n)
{
    AUTO_ARENA a = arena_new();
    cJSON *root;
    StrMap m = {0};
    const cJSON *it;
    if (json_parse(a, sv_n(text, n), n, &root, NULL) || !cJSON_IsObject(root))
        return;
    cJSON_ArrayForEach(it, root) if (cJSON_IsString(it))
        strmap_put(a, &m, it->string, it->valuestring);
    DecisionRecord d[2];
    if (!decision_from_map("db-0", m, &d[0]))
        return;
    ObjList breaks;
    size_t count = 2;
    d[1] = d[0];
    decisions_verify(a, d, &count, &breaks);
    if (count != 1 || !decision_from_map("db-0", decision_to_map(a, &d[0]), &d[1]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || memchr(data + 1, 0, size - 1))
        return 0;
    char *text = xstrndup((const char *)data + 1, size - 1);
    switch (*data) {
    case 'n':
        names(text);
        break;
    case 'l':
        lease_record(text);
        break;
    case 'd':
        decision(text, size - 1);
        break;
    default:
        break;
    }
    free(text);
    return 0;
}
