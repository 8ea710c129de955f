/* probe/sql.h - the queries of the probe and what their columns are. */
#pragma once

/* Order of the columns of the light query. */
enum {
    COL_IN_RECOVERY,
    COL_READ_ONLY,
    COL_LSN,
    COL_RECEIVED,
    COL_LAG_BYTES,
    COL_LAG_SECONDS,
    COL_RECEIVER,
    COL_CONN_USED,
    COL_CONN_ACTIVE,
    COL_CONN_MAX,
    COL_STARTED_US,
    COL_TIMELINE,
    COL_SYSTEM_ID,
    COL_STREAMING,
    COL_TRANSACTIONS,
    COL_COMMIT_RATIO,
    COL_WAL_RECORDS,
    COL_WAL_BYTES,
    COL_WAL_BUFFERS_FULL,
};

/* %s: the three columns of pg_stat_wal, which PostgreSQL 13 does not have. */
#define SQL_WAL_STAT "wal_records::int8, wal_bytes::int8, wal_buffers_full::int8 FROM pg_stat_wal"
#define SQL_NO_WAL_STAT "0::int8, 0::int8, 0::int8"

extern const char SQL_LIGHT_HEAD[];
extern const char SQL_DATABASES[];
extern const char SQL_TABLES[];
extern const char SQL_SLOW[];
extern const char SQL_SERVER[];
