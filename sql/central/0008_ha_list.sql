-- Every list tells what a failover would lose now. A new column of the view stands at its end.

CREATE OR REPLACE VIEW cluster_list AS
SELECT c.id, c.name, c.namespace, c.satellite_id, s.name AS satellite, s.labels AS satellite_labels,
       CASE WHEN c.deleted_at IS NOT NULL THEN 'deleting'
            WHEN c.paused THEN 'paused'
            WHEN h.cluster_id IS NULL AND c.config_state = 'refused' THEN 'failed'
            ELSE coalesce(h.state, 'creating') END AS state,
       CASE WHEN s.offline_since IS NOT NULL THEN 'satellite ' || s.name || ' has been silent since ' ||
                 to_char(s.offline_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '; this is what it said last'
            WHEN c.config_state = 'refused' THEN c.config_error
            ELSE coalesce(h.reason, '') END AS reason,
       c.profile_id, p.name AS profile, c.profile_version, c.rule_id, coalesce(r.name, '') AS rule, c.paused,
       c.deletion_protection, c.desired_version AS config_version, c.acked_version, c.applied_version, c.config_state,
       c.config_error, coalesce((c.config ->> 'replicas')::int, 0) AS replicas, coalesce(h.ready, 0) AS ready,
       coalesce(h.primary_pod, '') AS primary_pod, coalesce(h.lag_bytes, 0) AS lag_bytes,
       coalesce(h.lag_seconds, 0) AS lag_seconds, coalesce(h.rw_host, '') AS rw_host, coalesce(h.rw_port, 0) AS rw_port,
       coalesce(h.ro_host, '') AS ro_host, coalesce(h.ro_port, 0) AS ro_port, h.at AS health_at, c.deleted_at,
       c.created_at, greatest(c.updated_at, h.received_at) AS updated_at,
       coalesce(h.ha ->> 'durability', '') AS durability, coalesce(h.ha ->> 'sync', '') AS sync,
       coalesce(h.ha ->> 'failover_loss', 'unknown') AS failover_loss,
       coalesce((h.ha ->> 'failover_loss_bytes')::bigint, -1) AS failover_loss_bytes
  FROM clusters c
  JOIN satellites s ON s.id = c.satellite_id
  JOIN profiles p ON p.id = c.profile_id
  LEFT JOIN deployment_rules r ON r.id = c.rule_id
  LEFT JOIN cluster_health h ON h.cluster_id = c.id;
