-- A rule whose profile has no image any more makes nothing; it says so, where it would have acted.
CREATE OR REPLACE FUNCTION rule_places(rule uuid, sel jsonb, ns text, cname text, prof uuid)
RETURNS TABLE (kind text, satellite text, cluster text, reason text) LANGUAGE sql STABLE AS $$
    WITH img AS (SELECT postgres_image(v.doc) IS NOT NULL AS there, v.doc #>> '{postgres,version}' AS wanted
                   FROM profiles p JOIN profile_versions v ON v.profile_id = p.id AND v.version = p.version
                  WHERE p.id = prof)
    SELECT CASE WHEN c.id IS NULL AND img.there THEN 'add'
                WHEN c.id IS NULL OR c.deleted_at IS NOT NULL THEN 'conflict'
                WHEN c.rule_id = rule THEN 'keep'
                WHEN c.rule_id IS NULL AND c.profile_id = prof THEN 'keep'
                ELSE 'conflict' END,
           s.name, ns || '/' || cname,
           CASE WHEN c.id IS NULL AND NOT img.there THEN 'there is no image for PostgreSQL ' || img.wanted
                WHEN c.deleted_at IS NOT NULL THEN 'a cluster of this name is being removed'
                WHEN c.rule_id IS NOT NULL THEN 'a cluster of this name belongs to rule ' ||
                     (SELECT r.name FROM deployment_rules r WHERE r.id = c.rule_id)
                WHEN c.id IS NOT NULL THEN 'a cluster of this name has profile ' ||
                     (SELECT p.name FROM profiles p WHERE p.id = c.profile_id)
                ELSE '' END
      FROM img, satellites s
      LEFT JOIN clusters c ON c.satellite_id = s.id AND c.namespace = ns AND c.name = cname
     WHERE s.state = 'approved' AND s.labels @> sel
    UNION ALL
    SELECT 'leave', s.name, c.namespace || '/' || c.name, ''
      FROM clusters c JOIN satellites s ON s.id = c.satellite_id
     WHERE c.rule_id = rule AND c.deleted_at IS NULL
       AND NOT (s.state = 'approved' AND s.labels @> sel AND c.namespace = ns AND c.name = cname)
    ORDER BY 1, 2, 3
$$;
