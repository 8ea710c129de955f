#include "paths.h"

#include "core/file.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *env_or(const char *name, const char *alt)
{
    return str_or(getenv(name), alt);
}

static bool has_programs(Arena *a, const char *dir)
{
    static const char *const WANTED[] = {"postgres", "initdb", "pg_basebackup"};
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++)
        if (access(arena_printf(a, "%s/%s", dir, WANTED[i]), X_OK))
            return false;
    return true;
}

/* Official images differ in where they keep the programs, so look where each of them does. */
static const char *find_bindir(Arena *a)
{
    const char *given = getenv("PGSWARM_BINDIR");
    if (!str_empty(given))
        return has_programs(a, given) ? given : NULL;
    StrView rest = sv(getenv("PATH"));
    while (rest.p && rest.n) {
        const char *dir = sv_dup(a, sv_cut(&rest, ':'));
        if (*dir == '/' && has_programs(a, dir))
            return dir;
    }
    const char *major = getenv("PGSWARM_MAJOR");
    const char *fixed[] = {
        str_empty(major) ? NULL : arena_printf(a, "/usr/lib/postgresql/%s/bin", major),
        "/usr/local/bin",
        str_empty(major) ? NULL : arena_printf(a, "/usr/pgsql-%s/bin", major),
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fixed[i] && has_programs(a, fixed[i]))
            return fixed[i];
    return NULL;
}

enum { MOUNTINFO_MAX = 1024 * 1024 };

/* A folder of that name in the image is no volume: WAL there would be gone with the container. */
static bool is_mount_point(Arena *a, const char *dir)
{
    StrView rest;
    if (file_read(a, "/proc/self/mountinfo", MOUNTINFO_MAX, &rest, NULL))
        return false;
    while (rest.n) {
        StrView line = sv_cut(&rest, '\n'), field = {0};
        for (int i = 0; i < 5; i++) /* id, parent, major:minor, root, mount point */
            field = sv_cut(&line, ' ');
        if (sv_eqs(field, dir))
            return true;
    }
    return false;
}

static const char *wal_root(Arena *a)
{
    const char *given = getenv("PGSWARM_WAL_DIR");
    const char *dir = str_or(given, "/var/lib/postgresql/wal");
    struct stat st;
    if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        return NULL;
    return !str_empty(given) || is_mount_point(a, dir) ? dir : NULL;
}

static ErrCode load_data(Arena *a, Paths *p, Error *err)
{
    char *data = arena_strdup(a, env_or("PGDATA", "/var/lib/postgresql/data/pgdata"));
    while (strlen(data) > 1 && str_ends(data, "/"))
        data[strlen(data) - 1] = 0;
    char *slash = strrchr(data, '/');
    if (*data != '/' || slash == data)
        return err_set(err, ERR_INVALID,
                       "PGDATA: '%s' must be an absolute path of a folder inside the data volume",
                       data);
    p->data = data;
    p->volume = arena_strndup(a, data, (size_t)(slash - data));
    p->data_new = arena_printf(a, "%s.new", data);
    p->data_clone = arena_printf(a, "%s.clone", data);
    p->journal = arena_printf(a, "%s/.pgswarm-journal", p->volume);
    p->held = arena_printf(a, "%s/.pgswarm-held", p->volume);
    p->mark = arena_printf(a, "%s/.pgswarm-rewind", p->volume);
    p->fence = arena_printf(a, "%s/.pgswarm-fence", p->volume);
    return ERR_OK;
}

ErrCode paths_load(Arena *a, Paths *ret, Error *err)
{
    Paths p = {0};
    if (load_data(a, &p, err))
        return err->code;
    p.wal_root = wal_root(a);
    p.run = env_or("PGSWARM_RUN_DIR", "/pgswarm/run");
    p.socket = arena_printf(a, "%s/launcher.sock", p.run);
    p.conf = arena_printf(a, "%s/postgresql.conf", p.run);
    p.hba = arena_printf(a, "%s/pg_hba.conf", p.run);
    p.passfile = arena_printf(a, "%s/replication.pgpass", p.run);
    p.config = env_or("PGSWARM_CONFIG_DIR", "/pgswarm/config");
    p.member = env_or("POD_NAME", "postgres");
    p.pg_port = env_or("PGSWARM_PGPORT", "5432");
    p.locale = env_or("PGSWARM_LOCALE", "C.UTF-8");
    uint64_t grace = 50;
    const char *text = getenv("PGSWARM_STOP_GRACE_SECONDS");
    if (!str_empty(text) && (!str_to_u64(text, &grace) || grace > 3600))
        return err_set(err, ERR_INVALID,
                       "PGSWARM_STOP_GRACE_SECONDS: '%s' is not a number of seconds from 0 to 3600",
                       text);
    p.stop_grace_ms = grace * 1000;
    p.bindir = find_bindir(a);
    if (!p.bindir)
        return err_set(err, ERR_NOT_FOUND,
                       "no folder with postgres, initdb and pg_basebackup: looked in "
                       "PGSWARM_BINDIR, PATH, /usr/lib/postgresql/$PGSWARM_MAJOR/bin, "
                       "/usr/local/bin, /usr/pgsql-$PGSWARM_MAJOR/bin");
    *ret = p;
    return ERR_OK;
}
