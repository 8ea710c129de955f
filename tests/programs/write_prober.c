/* Asks every node, all the time: are you writable?
 * write_prober --log FILE [--every-ms N] NAME=HOST:PORT..     until SIGTERM or the end of stdin
 * User, password and database come from libpq's environment.
 *
 * A node is asked by an insert of its own name: an answer is an acknowledgement like a client's
 * (line A with id 0), so a primary that only looks writable, and blocks, is silent. */
#include "ack_log.h"
#include <getopt.h>
#include <pthread.h>
#include <signal.h>

enum { STATEMENT_US = 1000000, NODES = 16 };
typedef struct Node {
    char name[64], dsn[256];
    const char *state;
} Node;

static int every_ms = 100;
static volatile sig_atomic_t stop;

static const char INSERT[] = "INSERT INTO swarm_probe(node) VALUES ($1) "
                             "RETURNING substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

static void note(Node *n, const char *state)
{
    if (!n->state || strcmp(n->state, state) != 0)
        log_line("S %lld %s %s", (long long)now_us(), n->name, state);
    n->state = state;
}

/* False: the connection is of no use any more. */
static bool probe(Node *n, PGconn *c)
{
    int64_t sent = now_us();
    PGresult *r = ask(c, INSERT, n->name, STATEMENT_US);
    int64_t acked = now_us();
    bool ok = r && PQresultStatus(r) == PGRES_TUPLES_OK;
    const char *code = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    bool read_only = code && strcmp(code, "25006") == 0;
    if (ok)
        log_line("A 0 %lld %lld %s %ld", (long long)sent, (long long)acked, n->name,
                 strtol(PQgetvalue(r, 0, 0), NULL, 16));
    note(n, ok ? "writable" : read_only ? "readonly" : "silent");
    PQclear(r);
    return ok || read_only;
}

static void *watch(void *arg)
{
    Node *n = arg;
    PGconn *c = NULL;
    while (!stop) {
        if (!c)
            c = PQconnectdb(n->dsn);
        if (PQstatus(c) != CONNECTION_OK || !probe(n, c)) {
            if (PQstatus(c) != CONNECTION_OK)
                note(n, "silent");
            PQfinish(c);
            c = NULL;
        }
        nap_us(every_ms * 1000);
    }
    PQfinish(c);
    return NULL;
}

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "write_prober: %s\n", what);
    exit(2);
}

/* NAME=HOST:PORT */
static void node_of(Node *n, const char *text)
{
    char host[128];
    int port;
    if (sscanf(text, "%63[^=]=%127[^:]:%d", n->name, host, &port) != 3)
        die("a node is NAME=HOST:PORT");
    snprintf(n->dsn, sizeof n->dsn, "host=%s port=%d connect_timeout=2", host, port);
}

int main(int argc, char **argv)
{
    static const struct option LONG[] = {{"log", 1, 0, 'l'}, {"every-ms", 1, 0, 'e'}, {0}};
    static Node nodes[NODES];
    pthread_t threads[NODES];
    int o;
    while ((o = getopt_long(argc, argv, "", LONG, NULL)) != -1)
        if (o == 'l')
            log_to(optarg);
        else if (o == 'e')
            every_ms = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    int n = argc - optind;
    if (log_fd < 0 || every_ms < 1 || n < 1 || n > NODES)
        die("--log FILE and 1 to 16 nodes");
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    for (int i = 0; i < n; i++) {
        node_of(&nodes[i], argv[optind + i]);
        if (pthread_create(&threads[i], NULL, watch, &nodes[i]))
            die("no thread");
    }
    char c;
    while (!stop && read(0, &c, 1) > 0)
        ;
    stop = 1;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
