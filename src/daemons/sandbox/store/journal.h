/* store/journal.h - the store's file: one line of JSON a change, rewritten when mostly garbage.
 *
 * A line is written with one write(2) before the change is visible, so that a killed process loses
 * nothing that was answered. A torn last line (power loss) is cut off at opening; a damaged line in
 * the middle is an error. */
#pragma once
#include "store/kind.h"
#include <cjson/cJSON.h>

typedef struct Journal Journal;
typedef struct JournalLoad {
    /* obj NULL: deleted; otherwise taken over. */
    void (*on_line)(void *ctx, uint64_t rv, const Kind *k, const char *key, cJSON *obj);
    void *ctx;
} JournalLoad;
ErrCode journal_open(const char *dir, const JournalLoad *load, Journal **ret, Error *err) MUST_USE;
void journal_close(Journal *j);
ErrCode journal_put(Journal *j, uint64_t rv, const Kind *k, const char *key, const cJSON *obj,
                    Error *err) MUST_USE; /* obj NULL: deleted */
/* Most of the file is history: begin a new one, put every live object, then end. */
bool journal_wants_rewrite(const Journal *j);
ErrCode journal_rewrite_begin(Journal *j, Error *err) MUST_USE;
ErrCode journal_rewrite_end(Journal *j, Error *err) MUST_USE;
int journal_unsynced(Journal *j);
