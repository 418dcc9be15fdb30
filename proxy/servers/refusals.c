#include "proxy/servers/refusals.h"

#include <pthread.h>
#include <string.h>

#include "base/limits.h"

typedef struct {
    char *recipient;
    PosternReply *reply;
    gint64 until;
    GList link; /* data is the refusal */
} Refusal;

struct PosternRefusals {
    pthread_mutex_t lock;
    GHashTable *recipients; /* recipient -> Refusal */
    GQueue order;           /* the same, the oldest first */
    guint maximum, keep_ms;
    guint generation;
    gint holds_any; /* atomic: there may be some */
};

static void free_refusal(gpointer data)
{
    Refusal *refusal = data;
    postern_reply_free(refusal->reply);
    g_free(refusal->recipient);
    g_free(refusal);
}

PosternRefusals *postern_refusals_new(void)
{
    PosternRefusals *refusals = g_new0(PosternRefusals, 1);
    pthread_mutex_init(&refusals->lock, NULL);
    refusals->recipients = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_refusal);
    return refusals;
}

void postern_refusals_free(PosternRefusals *refusals)
{
    if (refusals == NULL)
        return;
    g_hash_table_unref(refusals->recipients);
    pthread_mutex_destroy(&refusals->lock);
    g_free(refusals);
}

void postern_refusals_begin(PosternRefusals *refusals, guint maximum, guint keep_ms)
{
    pthread_mutex_lock(&refusals->lock);
    g_hash_table_remove_all(refusals->recipients);
    g_queue_init(&refusals->order);
    refusals->maximum = maximum;
    refusals->keep_ms = keep_ms;
    refusals->generation++;
    g_atomic_int_set(&refusals->holds_any, 0);
    pthread_mutex_unlock(&refusals->lock);
}

guint postern_refusals_generation(PosternRefusals *refusals)
{
    pthread_mutex_lock(&refusals->lock);
    guint generation = refusals->generation;
    pthread_mutex_unlock(&refusals->lock);
    return generation;
}

/* Of 5.7.1 and the like sender or client may be the reason, of 5.1.2 a DNS that is mended, of 5.1.3 an
 * extension that the next one uses. */
static gboolean is_of_mailbox(const PosternReply *reply)
{
    static const char *const codes[] = {"5.1.1", "5.1.6"};
    if (postern_reply_class(reply) != 5 || reply->length > POSTERN_KEPT_REFUSAL_MAX_OCTETS)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
        if (g_str_has_prefix(reply->text, codes[i]) && !g_ascii_isalnum(reply->text[strlen(codes[i])]))
            return TRUE;
    return FALSE;
}

/* A local part is its server's to interpret, a domain is the same in any case (RFC 5321 2.4). */
static char *normal_of(const char *recipient)
{
    const char *at = strrchr(recipient, '@');
    char *normal = g_strdup(recipient);
    for (char *octet = at != NULL ? normal + (at - recipient) : normal; at != NULL && *octet != '\0'; octet++)
        *octet = g_ascii_tolower(*octet);
    return normal;
}

static void forget(PosternRefusals *refusals, Refusal *refusal)
{
    g_queue_unlink(&refusals->order, &refusal->link);
    g_hash_table_remove(refusals->recipients, refusal->recipient);
}

static void make_room(PosternRefusals *refusals, gint64 now)
{
    Refusal *oldest;
    while ((oldest = g_queue_peek_head(&refusals->order)) != NULL &&
           (oldest->until <= now || refusals->order.length >= refusals->maximum))
        forget(refusals, oldest);
}

void postern_refusals_note(PosternRefusals *refusals, guint generation, const char *recipient,
                           const PosternReply *reply, gint64 now)
{
    if (!is_of_mailbox(reply))
        return;
    g_autofree char *normal = normal_of(recipient);
    pthread_mutex_lock(&refusals->lock);
    gboolean holds = generation == refusals->generation;
    Refusal *before = holds ? g_hash_table_lookup(refusals->recipients, normal) : NULL;
    if (before != NULL)
        forget(refusals, before);
    make_room(refusals, now);
    if (holds && refusals->maximum > 0) {
        Refusal *refusal = g_new0(Refusal, 1);
        refusal->recipient = g_steal_pointer(&normal);
        refusal->reply = postern_reply_copy(reply, reply->code);
        refusal->until = now + refusals->keep_ms;
        refusal->link.data = refusal;
        g_queue_push_tail_link(&refusals->order, &refusal->link);
        g_hash_table_insert(refusals->recipients, refusal->recipient, refusal);
        g_atomic_int_set(&refusals->holds_any, 1);
    }
    pthread_mutex_unlock(&refusals->lock);
}

PosternReply *postern_refusals_find(PosternRefusals *refusals, const char *recipient, gint64 now)
{
    PosternReply *reply = NULL;
    if (!g_atomic_int_get(&refusals->holds_any))
        return NULL;
    g_autofree char *normal = normal_of(recipient);
    pthread_mutex_lock(&refusals->lock);
    const Refusal *refusal = g_hash_table_lookup(refusals->recipients, normal);
    if (refusal != NULL && refusal->until > now)
        reply = postern_reply_copy(refusal->reply, refusal->reply->code);
    pthread_mutex_unlock(&refusals->lock);
    return reply;
}

guint postern_refusals_size(PosternRefusals *refusals)
{
    pthread_mutex_lock(&refusals->lock);
    guint size = refusals->order.length;
    pthread_mutex_unlock(&refusals->lock);
    return size;
}
