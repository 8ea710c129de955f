-- How a profile finds its image, and where a rule acts.

-- The image of a PROFILE_INPUT: its own, else by version and variant; NULL when there is none. An exact release ("17.5") wants
-- exactly that one; a major ("17") takes the row of the major, else the newest release of it.
CREATE FUNCTION postgres_image(doc jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(doc #>> '{postgres,image}', ''), (
        SELECT image FROM postgres_versions
         WHERE variant = coalesce(nullif(doc #>> '{postgres,variant}', ''), 'default')
           AND (version = doc #>> '{postgres,version}' OR major::text = doc #>> '{postgres,version}')
         ORDER BY version = doc #>> '{postgres,version}' DESC, nullif(split_part(version, '.', 2), '')::int DESC NULLS FIRST LIMIT 1))
$$;

-- Every place that a rule like this one concerns, and what happens there: add, keep, leave, conflict. A cluster that belongs
-- to no rule, but to the same profile, is taken over. rule NULL: a rule that is not there yet.
CREATE FUNCTION rule_places(rule uuid, sel jsonb, ns text, cname text, prof uuid)
RETURNS TABLE (kind text, satellite text, cluster text, reason text) LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.id IS NULL THEN 'add'
                WHEN c.deleted_at IS NOT NULL THEN 'conflict'
                WHEN c.rule_id = rule THEN 'keep'
                WHEN c.rule_id IS NULL AND c.profile_id = prof THEN 'keep'
                ELSE 'conflict' END,
           s.name, ns || '/' || cname,
           CASE WHEN c.deleted_at IS NOT NULL THEN 'a cluster of this name is being removed'
                WHEN c.rule_id IS NOT NULL THEN 'a cluster of this name belongs to rule ' ||
                     (SELECT r.name FROM deployment_rules r WHERE r.id = c.rule_id)
                WHEN c.id IS NOT NULL THEN 'a cluster of this name has profile ' ||
                     (SELECT p.name FROM profiles p WHERE p.id = c.profile_id)
                ELSE '' END
      FROM satellites s
      LEFT JOIN clusters c ON c.satellite_id = s.id AND c.namespace = ns AND c.name = cname
     WHERE s.state = 'approved' AND s.labels @> sel
    UNION ALL
    SELECT 'leave', s.name, c.namespace || '/' || c.name, ''
      FROM clusters c JOIN satellites s ON s.id = c.satellite_id
     WHERE c.rule_id = rule AND c.deleted_at IS NULL
       AND NOT (s.state = 'approved' AND s.labels @> sel AND c.namespace = ns AND c.name = cname)
    ORDER BY 1, 2, 3
$$;

CREATE INDEX clusters_order ON clusters (name, id);
