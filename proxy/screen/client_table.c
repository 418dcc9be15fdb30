#include "proxy/screen/client_table.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "proxy/screen/rate.h"

/* Stripes keep threads out of each other's way; the total is one atomic number. */
#define STRIPES 64
#define DAY_MS (G_GINT64_CONSTANT(24) * 3600 * 1000)

/* Of those that are not connected, in the order in which they are forgotten. */
typedef enum {
    STANDING_SEEN,
    STANDING_BAD,
    STANDING_GOOD,
    STANDINGS,
} Standing;

typedef struct Entry Entry;
struct Entry {
    guint64 number; /* of the client, or of the network */
    guint hash;     /* with the table's key: who has many addresses chooses them */
    guint connections;
    PosternRate connected;
    PosternRate *rates;   /* [POSTERN_COUNTS], or NULL: it did nothing but connect */
    PosternBudget *share; /* or NULL: not asked for yet */
    PosternBucket octets; /* of its messages */
    Entry *older, *newer; /* of the same standing, while it is not connected */
    gint64 good_until;
    gint64 points_at;
    float points;    /* at that time */
    guint16 reasons; /* for them: mask of PosternReason */
    guint8 network;
    guint8 standing;
};

typedef struct {
    Entry *oldest, *newest;
    guint count;
} Age;

typedef struct {
    pthread_mutex_t mutex;
    GHashTable *entries; /* a set of Entry */
    Age ages[STANDINGS];
} Stripe;

struct PosternClientTable {
    Stripe stripes[STRIPES];
    gint total;
    gint slowed;
    PosternOrders *orders;
    PosternBucket octets; /* of the messages of all */
    guint8 key[crypto_shorthash_KEYBYTES];
    guint window_ms, forget_ms;
    gint64 good_ms;
    guint remembered; /* of each stripe */
    guint bits[2][2]; /* [network][IPv6] */
};

static void entry_free(gpointer data)
{
    Entry *entry = data;
    postern_budget_unref(entry->share);
    g_free(entry->rates);
    g_free(entry);
}

static guint entry_hash(gconstpointer entry)
{
    return ((const Entry *)entry)->hash;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const Entry *one = a, *other = b;
    return one->number == other->number && one->network == other->network;
}

PosternClientTable *postern_client_table_new(const PosternConfiguration *configuration)
{
    PosternClientTable *table = g_new0(PosternClientTable, 1);
    g_assert(sodium_init() >= 0);
    crypto_shorthash_keygen(table->key);
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].mutex, NULL);
        table->stripes[i].entries = g_hash_table_new_full(entry_hash, entry_equal, entry_free, NULL);
    }
    table->orders = postern_orders_new();
    table->window_ms = configuration->screen.rate_window_ms;
    table->forget_ms = configuration->screen.forget_ms;
    table->good_ms = configuration->screen.good_days * DAY_MS;
    table->remembered = MAX(configuration->screen.max_clients / STRIPES, (guint)STANDINGS + 1);
    table->bits[0][0] = configuration->screen.ipv4_prefix;
    table->bits[0][1] = configuration->screen.ipv6_prefix;
    table->bits[1][0] = configuration->screen.ipv4_network;
    table->bits[1][1] = configuration->screen.ipv6_network;
    return table;
}

void postern_client_table_free(PosternClientTable *table)
{
    if (table == NULL)
        return;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].mutex);
        g_hash_table_unref(table->stripes[i].entries);
    }
    postern_orders_free(table->orders);
    g_free(table);
}

/* The stripe of client, or of its network, locked; *ret_key finds its entry there. */
static Stripe *lock(PosternClientTable *table, const PosternAddress *client, gboolean network, Entry *ret_key)
{
    guint8 octets[sizeof(guint64) + 1];
    guint64 hash;
    guint unused = client->family == AF_INET6  ? 64 - table->bits[network][1]
                   : client->family == AF_INET ? 32 - table->bits[network][0]
                                               : 0;
    guint64 number = postern_address_client_number(client) >> unused << unused;
    memcpy(octets, &number, sizeof number);
    octets[sizeof number] = (guint8)network;
    (void)crypto_shorthash((guint8 *)&hash, octets, sizeof octets, table->key);
    *ret_key = (Entry){.number = number, .network = (guint8)network, .hash = (guint)hash};
    Stripe *stripe = &table->stripes[hash >> 32 & (STRIPES - 1)];
    pthread_mutex_lock(&stripe->mutex);
    return stripe;
}

static void unlock(Stripe *stripe)
{
    pthread_mutex_unlock(&stripe->mutex);
}

static float points_of(const PosternClientTable *table, const Entry *entry, gint64 now)
{
    gint64 halvings = (now - entry->points_at) / table->forget_ms;
    if (entry->points <= 0 || halvings >= 32)
        return 0;
    /* Between two halvings in a straight line. */
    float part = (float)((now - entry->points_at) % table->forget_ms) / (float)table->forget_ms;
    return entry->points / (float)(1U << halvings) * (1 - part / 2);
}

static Standing standing_of(const PosternClientTable *table, const Entry *entry, gint64 now)
{
    if (entry->good_until > now)
        return STANDING_GOOD;
    return points_of(table, entry, now) >= 1 ? STANDING_BAD : STANDING_SEEN;
}

static void take_out(Stripe *stripe, Entry *entry)
{
    Age *age = &stripe->ages[entry->standing];
    *(entry->older != NULL ? &entry->older->newer : &age->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &age->newest) = entry->older;
    entry->older = entry->newer = NULL;
    age->count--;
}

/* Whose share of the room is exceeded. */
static Standing whom_to_forget(const Stripe *stripe, guint room)
{
    if (stripe->ages[STANDING_SEEN].count > room / 4)
        return STANDING_SEEN;
    return stripe->ages[STANDING_BAD].count > room / 4 ? STANDING_BAD : STANDING_GOOD;
}

static void put_in(PosternClientTable *table, Stripe *stripe, Entry *entry, gint64 now)
{
    entry->standing = (guint8)standing_of(table, entry, now);
    Age *age = &stripe->ages[entry->standing];
    entry->older = age->newest;
    *(age->newest != NULL ? &age->newest->newer : &age->oldest) = entry;
    age->newest = entry;
    age->count++;
    guint count = 0;
    for (guint i = 0; i < STANDINGS; i++)
        count += stripe->ages[i].count;
    if (count <= table->remembered)
        return;
    Entry *forgotten = stripe->ages[whom_to_forget(stripe, table->remembered)].oldest;
    take_out(stripe, forgotten);
    g_hash_table_remove(stripe->entries, forgotten);
}

static Entry *find(Stripe *stripe, const Entry *key)
{
    return g_hash_table_lookup(stripe->entries, key);
}

static Entry *find_or_add(PosternClientTable *table, Stripe *stripe, const Entry *key, gint64 now)
{
    Entry *entry = find(stripe, key);
    if (entry != NULL)
        return entry;
    entry = g_memdup2(key, sizeof *key);
    g_hash_table_add(stripe->entries, entry);
    put_in(table, stripe, entry, now);
    return find(stripe, key);
}

static PosternRate *rate_of(Entry *entry, PosternClientCount what)
{
    if (what == POSTERN_COUNT_CONNECTIONS)
        return &entry->connected;
    if (entry->rates == NULL)
        entry->rates = g_new0(PosternRate, POSTERN_COUNTS);
    return &entry->rates[what];
}

/* 0: none. */
static guint64 limit_of(const PosternClassOptions *class, PosternClientCount what, gboolean network)
{
    if (class == NULL)
        return 0;
    guint64 limit = what == POSTERN_COUNT_KIBIBYTES ? (class->octet_rate + 1023) / 1024 : class->rates[what];
    return network ? limit * class->network_factor : limit;
}

/* Whether there is room for number more. */
static gboolean allows(const PosternClientTable *table, Entry *entry, const PosternClassOptions *class,
                       PosternClientCount what, guint number, gint64 now)
{
    guint64 limit = limit_of(class, what, entry->network);
    return limit == 0 ||
           (guint64)postern_rate_value(rate_of(entry, what), now, table->window_ms) + number <= limit;
}

static void add(const PosternClientTable *table, Entry *entry, PosternClientCount what, guint number,
                gint64 now)
{
    postern_rate_add(rate_of(entry, what), number, now, table->window_ms);
}

static PosternClientLimit enter_one(PosternClientTable *table, const PosternAddress *client, gboolean network,
                                    const PosternClientAllowance *allowance, gint64 now)
{
    const PosternClassOptions *class = allowance->class;
    guint64 maximum = allowance->connections;
    if (network)
        maximum = class != NULL && class->network_factor > 0 ? maximum * class->network_factor : G_MAXUINT;
    Entry key;
    Stripe *stripe = lock(table, client, network, &key);
    Entry *entry = find_or_add(table, stripe, &key, now);
    PosternClientLimit limit = POSTERN_LIMIT_NONE;
    if (entry == NULL || entry->connections >= maximum)
        limit = network ? POSTERN_LIMIT_CONNECTIONS_NETWORK : POSTERN_LIMIT_CONNECTIONS;
    else if (allowance->rate_refuses && !allows(table, entry, class, POSTERN_COUNT_CONNECTIONS, 1, now))
        limit = network ? POSTERN_LIMIT_RATE_NETWORK : POSTERN_LIMIT_RATE;
    if (limit == POSTERN_LIMIT_NONE) {
        if (entry->connections++ == 0)
            take_out(stripe, entry);
        add(table, entry, POSTERN_COUNT_CONNECTIONS, 1, now);
    }
    unlock(stripe);
    return limit;
}

static void leave_one(PosternClientTable *table, const PosternAddress *client, gboolean network, gint64 now)
{
    Entry key;
    Stripe *stripe = lock(table, client, network, &key);
    Entry *entry = find(stripe, &key);
    if (--entry->connections == 0) {
        g_clear_pointer(&entry->share, postern_budget_unref);
        put_in(table, stripe, entry, now);
    }
    unlock(stripe);
}

PosternClientLimit postern_client_table_enter(PosternClientTable *table, const PosternAddress *client,
                                              const PosternClientAllowance *allowance, gint64 now)
{
    guint maximum_total = allowance->connections_total;
    if (maximum_total > 0 && (guint)g_atomic_int_add(&table->total, 1) >= maximum_total) {
        g_atomic_int_add(&table->total, -1);
        return POSTERN_LIMIT_CONNECTIONS_TOTAL;
    }
    PosternClientLimit limit = enter_one(table, client, FALSE, allowance, now);
    if (limit == POSTERN_LIMIT_NONE) {
        limit = enter_one(table, client, TRUE, allowance, now);
        if (limit != POSTERN_LIMIT_NONE)
            leave_one(table, client, FALSE, now);
    }
    if (limit != POSTERN_LIMIT_NONE && maximum_total > 0)
        g_atomic_int_add(&table->total, -1);
    return limit;
}

void postern_client_table_leave(PosternClientTable *table, const PosternAddress *client, gboolean in_total,
                                gint64 now)
{
    leave_one(table, client, FALSE, now);
    leave_one(table, client, TRUE, now);
    if (in_total)
        g_atomic_int_add(&table->total, -1);
}

static gboolean count_one(PosternClientTable *table, const PosternAddress *client, gboolean network,
                          const PosternClassOptions *class, PosternClientCount what, guint number, gint64 now)
{
    gboolean asked = what == POSTERN_COUNT_MESSAGES || what == POSTERN_COUNT_RECIPIENTS;
    Entry key;
    Stripe *stripe = lock(table, client, network, &key);
    Entry *entry = find(stripe, &key);
    gboolean allowed = entry == NULL || allows(table, entry, class, what, number, now);
    if (entry != NULL && (allowed || !asked))
        add(table, entry, what, number, now);
    unlock(stripe);
    return allowed;
}

PosternClientLimit postern_client_table_count(PosternClientTable *table, const PosternAddress *client,
                                              const PosternClassOptions *class, PosternClientCount what,
                                              guint number, gint64 now)
{
    if (!count_one(table, client, FALSE, class, what, number, now))
        return POSTERN_LIMIT_RATE;
    return class->network_factor > 0 && !count_one(table, client, TRUE, class, what, number, now)
               ? POSTERN_LIMIT_RATE_NETWORK
               : POSTERN_LIMIT_NONE;
}

gboolean postern_client_table_is_over(PosternClientTable *table, const PosternAddress *client,
                                      const PosternClassOptions *class, PosternClientCount what, gint64 now)
{
    Entry key;
    if (limit_of(class, what, FALSE) == 0)
        return FALSE;
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    gboolean over = entry != NULL && !allows(table, entry, class, what, 1, now);
    unlock(stripe);
    return over;
}

void postern_client_table_blame(PosternClientTable *table, const PosternAddress *client, PosternReason reason,
                                guint points, gint64 now)
{
    Entry key;
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    if (entry != NULL) {
        float before = points_of(table, entry, now);
        entry->reasons = (guint16)((before >= 0.5F ? entry->reasons : 0) | 1U << reason);
        entry->points = MIN(before + (float)points, (float)POSTERN_POINTS_MAX);
        entry->points_at = now;
    }
    unlock(stripe);
}

void postern_client_table_set_good(PosternClientTable *table, const PosternAddress *client, gboolean good,
                                   gint64 now)
{
    Entry key;
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    if (entry != NULL) {
        entry->points = good ? 0 : entry->points;
        entry->good_until = good ? now + table->good_ms : 0;
    }
    unlock(stripe);
}

gboolean postern_client_table_order(PosternClientTable *table, const PosternAddress *client,
                                    PosternOrderKind kind, gint64 until, gint64 now)
{
    Entry key;
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    if (entry != NULL)
        entry->points = 0;
    unlock(stripe);
    const PosternOrder order = {.client = key.number, .until = until, .kind = kind};
    return postern_orders_set(table->orders, &order, now);
}

guint postern_client_table_order_serial(PosternClientTable *table)
{
    return postern_orders_serial(table->orders);
}

static void tell(const PosternClientTable *table, const Entry *entry, gint64 now,
                 PosternClientStanding *ret_standing)
{
    *ret_standing = (PosternClientStanding){
        .connections = entry->connections,
        .points = (guint)(points_of(table, entry, now) + 0.5F),
        .reasons = points_of(table, entry, now) >= 0.5F ? entry->reasons : 0,
        .good = entry->good_until > now,
    };
    for (guint i = 0; i < POSTERN_COUNTS && entry->rates != NULL; i++)
        ret_standing->counts[i] = postern_rate_value(&entry->rates[i], now, table->window_ms);
    ret_standing->counts[POSTERN_COUNT_CONNECTIONS] =
        postern_rate_value(&entry->connected, now, table->window_ms);
}

gboolean postern_client_table_standing(PosternClientTable *table, const PosternAddress *client, gint64 now,
                                       PosternClientStanding *ret_standing)
{
    Entry key;
    *ret_standing = (PosternClientStanding){0};
    Stripe *stripe = lock(table, client, FALSE, &key);
    const Entry *entry = find(stripe, &key);
    if (entry != NULL)
        tell(table, entry, now, ret_standing);
    unlock(stripe);
    ret_standing->order = postern_orders_find(table->orders, key.number, now);
    return entry != NULL || ret_standing->order.kind != POSTERN_ORDER_NONE;
}

void postern_client_table_each(PosternClientTable *table, gint64 now, PosternClientTold told,
                               gpointer user_data)
{
    for (guint i = 0; i < STRIPES; i++) {
        GHashTableIter iterator;
        gpointer data;
        pthread_mutex_lock(&table->stripes[i].mutex);
        g_hash_table_iter_init(&iterator, table->stripes[i].entries);
        while (g_hash_table_iter_next(&iterator, &data, NULL)) {
            const Entry *entry = data;
            PosternClientStanding standing;
            if (entry->network)
                continue;
            tell(table, entry, now, &standing);
            standing.order = postern_orders_find(table->orders, entry->number, now);
            told(entry->number, &standing, user_data);
        }
        unlock(&table->stripes[i]);
    }
}

GArray *postern_client_table_orders(PosternClientTable *table, gint64 now)
{
    return postern_orders_list(table->orders, now);
}

PosternBudget *postern_client_table_share(PosternClientTable *table, const PosternAddress *client,
                                          PosternBudget *budget, guint64 maximum, guint64 assured)
{
    Entry key;
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    if (entry->share == NULL)
        entry->share = postern_budget_new_share(budget, maximum, assured);
    PosternBudget *share = postern_budget_ref(entry->share);
    unlock(stripe);
    return share;
}

gint64 postern_client_table_take(PosternClientTable *table, const PosternAddress *client, guint64 octets,
                                 guint64 rate, gint64 now)
{
    Entry key;
    if (rate == 0 || client == NULL)
        return postern_bucket_take(&table->octets, octets, rate, now);
    Stripe *stripe = lock(table, client, FALSE, &key);
    Entry *entry = find(stripe, &key);
    gint64 wait = entry != NULL ? postern_bucket_take(&entry->octets, octets, rate, now) : 0;
    unlock(stripe);
    return wait;
}

guint postern_client_table_total(PosternClientTable *table)
{
    return (guint)g_atomic_int_get(&table->total);
}

guint postern_client_table_slowed(PosternClientTable *table, gint number)
{
    return (guint)(g_atomic_int_add(&table->slowed, number) + number);
}

guint postern_client_table_connections(PosternClientTable *table, const PosternAddress *client)
{
    Entry key;
    Stripe *stripe = lock(table, client, FALSE, &key);
    const Entry *entry = find(stripe, &key);
    guint connections = entry != NULL ? entry->connections : 0;
    unlock(stripe);
    return connections;
}

guint postern_client_table_size(PosternClientTable *table)
{
    guint size = 0;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&table->stripes[i].mutex);
        size += g_hash_table_size(table->stripes[i].entries);
        unlock(&table->stripes[i]);
    }
    return size;
}
