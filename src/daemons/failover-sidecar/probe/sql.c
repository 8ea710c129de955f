#include "probe/sql.h"

/* Lag is against what the primary last reported to us, not against what arrived; and a replica
 * that has replayed everything lags by no time, however long ago the last transaction was. */
const char SQL_LIGHT_HEAD[] =
    "WITH r AS (SELECT pg_is_in_recovery() AS rec), "
    "x AS (SELECT rec, CASE WHEN rec THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END "
    "AS lsn FROM r), "
    "w AS (SELECT status, flushed_lsn, latest_end_lsn, received_tli FROM pg_stat_wal_receiver), "
    "a AS (SELECT count(*) AS used, count(*) FILTER (WHERE state = 'active') AS active "
    "FROM pg_stat_activity WHERE backend_type = 'client backend'), "
    "d AS (SELECT sum(xact_commit)::int8 AS c, sum(xact_rollback)::int8 AS b "
    "FROM pg_stat_database) "
    "SELECT x.rec, current_setting('default_transaction_read_only')::bool, x.lsn, w.flushed_lsn, "
    "CASE WHEN x.rec THEN greatest(0, pg_wal_lsn_diff(greatest(w.latest_end_lsn, "
    "pg_last_wal_receive_lsn()), x.lsn))::int8 ELSE 0 END, "
    "CASE WHEN x.rec AND x.lsn < greatest(w.latest_end_lsn, pg_last_wal_receive_lsn()) "
    "THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) ELSE 0 END, "
    "coalesce(w.status = 'streaming', false), a.used, a.active, "
    "current_setting('max_connections')::int, "
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8, "
    "CASE WHEN x.rec THEN coalesce(w.received_tli, (SELECT timeline_id FROM "
    "pg_control_checkpoint())) ELSE ('x' || substr(pg_walfile_name(x.lsn), 1, 8))::bit(32)::int "
    "END, "
    "(SELECT system_identifier FROM pg_control_system()), "
    "(SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'), "
    "d.c + d.b, coalesce(d.c::float8 / nullif(d.c + d.b, 0), 1), s.* "
    "FROM x CROSS JOIN a CROSS JOIN d LEFT JOIN w ON true CROSS JOIN (SELECT ";

const char SQL_SERVER[] =
    "SELECT current_setting('server_version'), "
    "EXISTS (SELECT FROM pg_settings WHERE pending_restart), "
    "coalesce((SELECT sum(size) FROM pg_ls_waldir()), 0)::int8, "
    "coalesce((SELECT sum(idx_blks_hit)::float8 / nullif(sum(idx_blks_hit + idx_blks_read), 0) "
    "FROM pg_statio_user_indexes), 1), "
    "to_regclass('pg_stat_statements') IS NOT NULL";

const char SQL_DATABASES[] =
    "SELECT d.datname, pg_database_size(d.oid), "
    "coalesce(s.blks_hit::float8 / nullif(s.blks_hit + s.blks_read, 0), 1) "
    "FROM pg_database d LEFT JOIN pg_stat_database s ON s.datid = d.oid "
    "WHERE NOT d.datistemplate AND d.datallowconn ORDER BY 2 DESC LIMIT 50";

const char SQL_TABLES[] =
    "SELECT current_database(), schemaname, relname, n_live_tup, n_dead_tup, seq_scan, "
    "coalesce(idx_scan, 0), n_tup_ins, n_tup_upd, n_tup_del, pg_total_relation_size(relid) AS "
    "size, "
    "coalesce((extract(epoch FROM last_vacuum) * 1000000)::int8, 0), "
    "coalesce((extract(epoch FROM last_autovacuum) * 1000000)::int8, 0) "
    "FROM pg_stat_user_tables ORDER BY size DESC LIMIT 30";

/* Statements that carry a password are kept as they were typed, so they stay here. */
const char SQL_SLOW[] =
    "SELECT left(s.query, 500), coalesce(d.datname, ''), s.calls, s.total_exec_time, "
    "s.mean_exec_time, s.max_exec_time, s.rows "
    "FROM pg_stat_statements s LEFT JOIN pg_database d ON d.oid = s.dbid "
    "WHERE s.query !~* 'password|secret' ORDER BY s.mean_exec_time DESC LIMIT 10";
