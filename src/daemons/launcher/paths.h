/* launcher/paths.h - where everything lies: the data volume, the WAL volume, the run folder, the
 * programs of PostgreSQL.
 *
 * All come from the environment once, at start; nothing here changes afterwards. PGDATA is a folder
 * inside the data volume, never the volume itself, so that a new one can be built beside it and
 * take its place by rename. */
#pragma once
#include "core/str.h"

typedef struct Paths {
    const char *volume;     /* the folder PGDATA lies in */
    const char *data;       /* PGDATA: complete or not there */
    const char *data_new;   /* PGDATA.new: under initdb, never started */
    const char *data_clone; /* PGDATA.clone: under base backup, never started */
    const char *journal, *held, *mark, *fence;
    const char *wal_root; /* the WAL volume, or NULL */
    const char *run, *socket, *conf, *hba, *passfile;
    const char *config;  /* folder with postgresql.conf and pg_hba.conf of the cluster */
    const char *bindir;  /* folder with postgres, initdb, pg_basebackup */
    const char *member;  /* pod name */
    const char *pg_port; /* decimal */
    const char *locale;  /* of new clusters */
    uint64_t stop_grace_ms;
} Paths;

/* Strings live in `a`. ERR_INVALID when PGDATA is no absolute path, ERR_NOT_FOUND when PostgreSQL's
 * programs are nowhere. */
ErrCode paths_load(Arena *a, Paths *ret, Error *err) MUST_USE;
