"""What model believes of PostgreSQL, held against the PostgreSQL that is here."""
import json
import os
import shutil
import subprocess
import tempfile

import psycopg2
import pytest

PRINT = os.path.join(os.environ.get("PGSWARM_TEST_BIN", os.path.abspath("build/release/tests/bin")), "model_print")

HBA_LINES = """\
local all all peer
local all all scram-sha-256
local all all ident
local all all gss
local all all cert
local all all 10.0.0.0/8 md5
host all all 10.0.0.0/8 md5
host all all 10.0.0.0/33 md5
host all all 10.0.0.0 md5
host all all 10.0.0.0 255.0.0.0 md5
host all all 10.0.0.0 255.255.255.255 trust
host all all ::1/128 scram-sha-256
host all all ::1/129 scram-sha-256
host all all fe80:: ffff:: password
host all all all reject # nobody
host all all samehost trust
host all all samenet trust
host all all localhost trust
host all all .example.com trust
host all all
host all
host
hostssl all all 10.0.0.0/8 cert
host all all 10.0.0.0/8 cert
hostnossl all all 10.0.0.0/8 md5
hostgssenc all all 10.0.0.0/8 gss
hostnogssenc all all 10.0.0.0/8 md5
host all all 10.0.0.0/8 peer
host all all 10.0.0.0/8 magic
host all all 10.0.0.0/8 ident map=x
host all all 10.0.0.0/8 md5 option
host all all 10.0.0.0/8 ldap
host all all 10.0.0.0/8 ldap ldapserver=x ldapprefix="cn=" ldapsuffix=",dc=x"
host all all 10.0.0.0/8 radius
host all all 10.0.0.0/8 radius radiusservers="a" radiussecrets="b"
hots all all 10.0.0.0/8 md5
host app,"Other DB" +group,user 192.0.2.0/24 md5
host a, b c 10.0.0.0/8 md5
host sameuser,samerole,replication all 10.0.0.0/8 md5
host "all" "all" 10.0.0.0/8 md5
host all "all 10.0.0.0/8 md5
"local" all all trust
HOST all all 10.0.0.0/8 md5
host all all 10.0.0.0/8 MD5
host all all 300.0.0.1/8 md5
host all all 10.0.0.0/-1 md5
host all all 10.0.0.0/8\tscram-sha-256
host all all 10.0.0.0/8 sspi
""".splitlines()

VALUES = [("work_mem", v) for v in ("4MB", "4096", "4 MB", "4mb", "1kB", "4s", "", "nan", "1GB", "0x1000", "4.5MB", "1TB",
                                    "3TB", "-1", "64.4kB", "1e4")] + \
    [("checkpoint_timeout", v) for v in ("15min", "1h", "2d", "15MB", "29s", "30", "86400", "86401", "0.5h")] + \
    [("random_page_cost", v) for v in ("1.1", "-1", "1e3", "x", "0")] + \
    [("jit", v) for v in ("on", "t", "of", "o", "maybe", "1", "2", "TRUE", "yes", "ye", "y", "")] + \
    [("wal_level", v) for v in ("logical", "LOGICAL", "full", "minimal", "log")] + \
    [("synchronous_commit", v) for v in ("on", "true", "remote_apply", "maybe", "1")] + \
    [("huge_pages", v) for v in ("try", "on", "false", "x")] + \
    [("autovacuum_vacuum_scale_factor", v) for v in ("0.2", "100", "101", "-0.1")] + \
    [("max_connections", v) for v in ("1", "0", "262144", "300 MB", "1e2", "12.4", "12.6")] + \
    [("log_min_duration_statement", v) for v in ("-1", "0", "200", "1s", "5000us", "-2")]


def model(*args, **kw):
    done = subprocess.run([PRINT, *args], capture_output=True, text=True, check=False, **kw)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def major(postgres):
    return postgres.psql("postgres", "SHOW server_version_num")[:-4]


def test_parameters_are_those_of_the_server(postgres, major):
    ours = {}
    for line in model("params", major):
        name, context, kind, unit, low, high, values = line.split("\t")
        ours[name] = (context, kind, unit, low, high, values)
    rows = postgres.psql("postgres", """
        SELECT name, replace(context, 'superuser-backend', 'backend'), vartype, coalesce(unit, ''), coalesce(min_val, '0'),
               coalesce(max_val, '0'), coalesce(array_to_string(enumvals, ','), '') FROM pg_settings
         WHERE position('.' IN name) = 0""")
    seen = set()
    for row in rows.splitlines():
        name, context, kind, unit, low, high, values = row.split("|")
        seen.add(name)
        got = ours[name]
        assert got[:3] == (context, kind, unit), name
        assert (float(got[3]), float(got[4])) == (float(low), float(high)), name
        assert set(got[5].split(",")) >= set(values.split(",")) or name in ("wal_compression", "wal_sync_method"), name
    # These came with minor releases.
    assert set(ours) - seen <= {"restrict_nonsystem_relation_kind", "composite_type_mismatch", "file_extend_method"}


def test_values_are_taken_as_the_server_takes_them(postgres, major):
    ours = model("values", major, input="".join(f"{n}\t{v}\n" for n, v in VALUES))
    wrong = []
    db = psycopg2.connect(f"host={postgres.folder} user=postgres dbname=postgres")
    db.autocommit = True
    with db.cursor() as cursor:
        for (name, value), verdict in zip(VALUES, ours):
            try:
                cursor.execute(f"ALTER SYSTEM SET {name} = %s", (value,))
                error = ""
            except psycopg2.Error as e:
                error = str(e)
            if bool(error) == (verdict == "ok"):
                wrong.append((name, value, verdict, error))
    db.close()
    postgres.psql("postgres", "ALTER SYSTEM RESET ALL")
    assert not wrong


def test_hba_lines_are_read_as_the_server_reads_them(postgres, major):
    """pg_hba_file_rules parses the file as it is, without it being loaded."""
    ours = model("hba-check", major, input="\n".join(HBA_LINES) + "\n")
    path = postgres.psql("postgres", "SHOW hba_file")
    old = open(path, encoding="utf-8").read()
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(HBA_LINES) + "\n")
        rows = postgres.psql("postgres", "SELECT line_number || '|' || coalesce(error, '') FROM pg_hba_file_rules")
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(old)
    theirs = {int(r.split("|")[0]): r.split("|", 1)[1] for r in rows.splitlines()}
    wrong, stricter = [], {"host all all 10.0.0.0/8 sspi"}
    for n, (line, verdict) in enumerate(zip(HBA_LINES, ours), 1):
        error = "" if "SSL is disabled" in theirs[n] else theirs[n]
        if line not in stricter:
            if (verdict == "ok") != (not error):
                wrong.append((line, verdict, error))
    assert not wrong


@pytest.mark.parametrize("profile", [
    {"name": "small", "storage": {"size": "1Gi"}},
    {"name": "large", "replicas": 5, "storage": {"size": "1Ti"}, "wal_storage": {"size": "50Gi"},
     "resources": {"memory_limit": "512Mi"},
     "parameters": {"log_line_prefix": "it's \\ %m ", "app.note": "don't", "work_mem": "8MB", "wal_level": "logical",
                    "search_path": '"$user", public'},
     "hba_rules": ["# partners", "host app app 192.0.2.0/24 scram-sha-256"],
     "archive": {"mode": "custom", "archive_command": "test ! -f '/nowhere/%f' && cp %p \"/nowhere/%f\"",
                 "restore_command": "false"}}])
def test_a_server_runs_on_what_we_write(postgres, major, profile):
    """initdb, our two files, start: every value arrives, no line of pg_hba.conf is wrong."""
    profile = {**profile, "postgres": {"version": major}}
    folder = tempfile.mkdtemp(prefix="pgs-conf-")
    if postgres.user:
        os.chown(folder, postgres.user.pw_uid, postgres.user.pw_gid)
    data = os.path.join(folder, "data")
    conf, hba = (os.path.join(folder, n) for n in ("postgresql.conf", "pg_hba.conf"))
    for verb, path in (("conf", conf), ("hba", hba)):
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(model(verb, input=json.dumps(profile))) + "\n")
        os.chmod(path, 0o644)
    with open(hba, encoding="utf-8") as f:
        lines = f.read()
    with open(hba, "w", encoding="utf-8") as f:
        f.write("local all probe trust\n" + lines)
    postgres._run("initdb", "-D", data, "-U", "probe", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
    # Sizes of this machine, not of the profile's pods; the socket's folder of the pods is not here.
    options = f"-c config_file={conf} -c hba_file={hba} -c data_directory={data} -k {folder} -c listen_addresses= " \
              "-c shared_buffers=16MB -c fsync=off"
    postgres._run("pg_ctl", "-D", data, "-w", "-t", "180", "-l", os.path.join(folder, "log"), "-o", options, "start")
    try:
        def ask(sql):
            done = subprocess.run(["psql", "-XqtA", f"host={folder} user=probe dbname=postgres", "-c", sql],
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout.rstrip("\n")

        assert ask("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
        assert ask("SELECT string_agg(name || ': ' || error, ', ') FROM pg_file_settings WHERE error IS NOT NULL AND "
                   "name NOT IN ('shared_buffers', 'listen_addresses', 'unix_socket_directories', 'fsync')") == ""
        for name, value in profile.get("parameters", {}).items():
            assert ask(f"SHOW {name}") == value
        if "archive" in profile:
            assert ask("SHOW archive_command") == profile["archive"]["archive_command"]
    finally:
        postgres._run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
