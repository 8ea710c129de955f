/* model/lsn.h - WAL positions, timelines and names of WAL files. */
#pragma once
#include "core/str.h"

enum { LSN_TEXT_MAX = 18, WAL_NAME_LEN = 24, WAL_SEGMENT_DEFAULT = 16 * 1024 * 1024 };

bool lsn_parse(const char *s, uint64_t *ret); /* "16/B374D848" */
const char *lsn_text(char buf[LSN_TEXT_MAX], uint64_t lsn);

typedef enum WalKind { WAL_SEGMENT, WAL_PARTIAL, WAL_HISTORY, WAL_BACKUP } WalKind;
typedef struct WalName {
    WalKind kind;
    uint32_t timeline;
    uint64_t segno;  /* of segments: counted from the start of WAL */
    uint32_t offset; /* of .backup files */
} WalName;

/* `segment_size`: a power of two from 1 MiB to 1 GiB. */
bool wal_name_parse(const char *s, uint32_t segment_size, WalName *ret);
void wal_name_text(char buf[WAL_NAME_LEN + 1], uint32_t timeline, uint64_t segno,
                   uint32_t segment_size);
uint64_t wal_segment_of(uint64_t lsn, uint32_t segment_size);
