#include "mail/message.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/header.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct PosternMessage {
    gint references;  /* atomic */
    GByteArray *few;  /* the octets; NULL once they are in a memfd */
    GBytes *borrowed; /* or the octets, of a packet; NULL */
    int descriptor;   /* or the memfd that holds them; -1 */
    guint64 size;
    guint64 maximum;
    guint64 charged; /* octets taken out of budget */
    PosternBudget *budget;
    gboolean sealed;
    gboolean too_big;
    PosternHeaderPlace place;
    guint64 header_octets; /* with the empty line, once place is POSTERN_HEADER_ENDED */
    EVP_MD_CTX *body;      /* SHA-256 of what has come of the body, if that goes to a memfd; or NULL */
    pthread_mutex_t mapping_lock;
    char *mapping;
};

static void follow_header(PosternMessage *message, const char *octets, gsize length)
{
    gsize last = 0;
    if (postern_header_find_end(&message->place, octets, length, &last))
        message->header_octets = message->size + last;
}

static PosternMessage *message_new(guint64 maximum)
{
    PosternMessage *message = g_new0(PosternMessage, 1);
    message->references = 1;
    message->descriptor = -1;
    message->maximum = maximum;
    pthread_mutex_init(&message->mapping_lock, NULL);
    return message;
}

PosternMessage *postern_message_new(guint64 maximum, PosternBudget *budget, GError **error)
{
    PosternMessage *message = message_new(MIN(maximum, (guint64)G_MAXINT64));
    message->few = g_byte_array_new();
    if (budget != NULL)
        message->budget = postern_budget_ref(budget);
    return message;
}

PosternMessage *postern_message_from_octets(GBytes *octets)
{
    gsize length = 0;
    const char *start = g_bytes_get_data(octets, &length);
    PosternMessage *message = message_new(length);
    message->borrowed = g_bytes_ref(octets);
    message->sealed = TRUE;
    follow_header(message, start, length);
    message->size = length;
    return message;
}

PosternMessage *postern_message_ref(PosternMessage *message)
{
    g_atomic_int_inc(&message->references);
    return message;
}

void postern_message_unref(PosternMessage *message)
{
    if (message == NULL || !g_atomic_int_dec_and_test(&message->references))
        return;
    if (message->mapping != NULL)
        munmap(message->mapping, message->size);
    if (message->descriptor >= 0)
        close(message->descriptor);
    g_clear_pointer(&message->few, g_byte_array_unref);
    g_clear_pointer(&message->borrowed, g_bytes_unref);
    EVP_MD_CTX_free(message->body);
    if (message->budget != NULL) {
        postern_budget_release(message->budget, message->charged);
        postern_budget_unref(message->budget);
    }
    pthread_mutex_destroy(&message->mapping_lock);
    g_free(message);
}

/* Charges for octets in all: in steps, so that a message that grows seldom has to touch what all threads
 * share. */
static gboolean charge(PosternMessage *message, guint64 octets, guint64 step, GError **error)
{
    if (message->budget == NULL || octets <= message->charged)
        return TRUE;
    guint64 in_steps = MIN((octets + step - 1) / step * step, message->maximum);
    for (guint64 wanted = in_steps;; wanted = octets) {
        if (postern_budget_reserve(message->budget, wanted - message->charged)) {
            message->charged = wanted;
            return TRUE;
        }
        if (wanted == octets)
            break;
    }
    return postern_error_set(
        error, POSTERN_ERROR_LIMIT,
        "no memory left for a message of %" G_GUINT64_FORMAT " octets: message_memory is used up", octets);
}

gboolean postern_message_reserve(PosternMessage *message, guint64 octets)
{
    return charge(message, MIN(octets, message->maximum), 1, NULL);
}

static gboolean write_at(int descriptor, const char *octets, gsize length, guint64 offset, GError **error)
{
    while (length > 0) {
        gssize written = pwrite(descriptor, octets, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return postern_error_set_system(error, written < 0 ? errno : ENOSPC, "cannot store a message");
        octets += written;
        length -= (gsize)written;
        offset += (guint64)written;
    }
    return TRUE;
}

/* What has grown too large for the heap goes on in a memfd. */
static gboolean move_to_memfd(PosternMessage *message, GError **error)
{
    message->descriptor = memfd_create("postern-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (message->descriptor < 0)
        return postern_error_set_system(error, errno, "cannot make room for a message (memfd_create)");
    if (!write_at(message->descriptor, (const char *)message->few->data, message->few->len, 0, error)) {
        close(message->descriptor);
        message->descriptor = -1;
        return FALSE;
    }
    if (message->place == POSTERN_HEADER_ENDED) {
        message->body = EVP_MD_CTX_new();
        (void)(EVP_DigestInit_ex(message->body, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(message->body, message->few->data + message->header_octets,
                                message->few->len - message->header_octets));
    }
    g_clear_pointer(&message->few, g_byte_array_unref);
    return TRUE;
}

static gboolean store(PosternMessage *message, const char *octets, gsize length, GError **error)
{
    gboolean fits = message->size + length <= POSTERN_MESSAGE_HEAP_MAX_OCTETS;
    if (message->few != NULL && !fits && !move_to_memfd(message, error))
        return FALSE;
    if (message->few == NULL)
        return write_at(message->descriptor, octets, length, message->size, error);
    g_byte_array_append(message->few, (const guint8 *)octets, (guint)length);
    return TRUE;
}

gboolean postern_message_append(PosternMessage *message, const void *octets, gsize length, GError **error)
{
    if (message->sealed)
        return postern_error_set(error, POSTERN_ERROR_USAGE, "a sealed message cannot grow");
    if (length == 0)
        return TRUE;
    if (length > message->maximum - message->size) {
        message->too_big = TRUE;
        return postern_error_set(error, POSTERN_ERROR_LIMIT,
                                 "message is larger than the limit of %" G_GUINT64_FORMAT " octets",
                                 message->maximum);
    }
    gboolean small = message->size + length < POSTERN_MESSAGE_CHUNK_OCTETS;
    if (!charge(message, message->size + length,
                small ? POSTERN_MESSAGE_PAGE_OCTETS : POSTERN_MESSAGE_CHUNK_OCTETS, error))
        return FALSE;
    if (!store(message, octets, length, error))
        return FALSE;
    if (message->body != NULL)
        EVP_DigestUpdate(message->body, octets, length);
    follow_header(message, octets, length);
    message->size += length;
    return TRUE;
}

gboolean postern_message_is_too_big(const PosternMessage *message)
{
    return message->too_big;
}

guint64 postern_message_charged(const PosternMessage *message)
{
    return message->charged;
}

guint64 postern_message_size(const PosternMessage *message)
{
    return message->size;
}

gboolean postern_message_seal(PosternMessage *message, GError **error)
{
    if (message->sealed)
        return TRUE;
    /* A write that failed half-way may have left octets behind the end. */
    if (message->descriptor >= 0 && (ftruncate(message->descriptor, (off_t)message->size) < 0 ||
                                     fcntl(message->descriptor, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0))
        return postern_error_set_system(error, errno, "cannot seal a message");
    message->sealed = TRUE;
    if (message->budget != NULL && message->charged > message->size) {
        postern_budget_release(message->budget, message->charged - message->size);
        message->charged = message->size;
    }
    return TRUE;
}

int postern_message_descriptor(const PosternMessage *message)
{
    return message->descriptor;
}

/* Its octets if they are in the heap, else NULL. */
static const char *held(const PosternMessage *message)
{
    if (message->borrowed != NULL)
        return g_bytes_get_data(message->borrowed, NULL);
    return message->few != NULL ? (const char *)message->few->data : NULL;
}

static const char *map(PosternMessage *message, guint64 size, GError **error)
{
    pthread_mutex_lock(&message->mapping_lock);
    if (message->mapping == NULL) {
        void *mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, message->descriptor, 0);
        if (mapping == MAP_FAILED)
            postern_error_set_system(error, errno, "cannot map a message of %" G_GUINT64_FORMAT " octets",
                                     size);
        else
            message->mapping = mapping;
    }
    const char *octets = message->mapping;
    pthread_mutex_unlock(&message->mapping_lock);
    return octets;
}

const char *postern_message_octets(PosternMessage *message, gsize *ret_length, GError **error)
{
    *ret_length = 0;
    if (!message->sealed) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_USAGE,
                            "a message must be sealed before it is read");
        return NULL;
    }
    if (message->size == 0)
        return "";
    const char *octets = held(message);
    if (octets == NULL)
        octets = map(message, message->size, error);
    if (octets != NULL)
        *ret_length = (gsize)message->size;
    return octets;
}

/* Reads what is there at offset; 0 at the end, -1 and error. */
static gssize read_at(int descriptor, char *buffer, gsize maximum, guint64 offset, GError **error)
{
    for (;;) {
        gssize length = pread(descriptor, buffer, maximum, (off_t)offset);
        if (length >= 0)
            return length;
        if (errno == EINTR)
            continue;
        postern_error_set_system(error, errno, "cannot read a message");
        return -1;
    }
}

static gboolean copy_from_memfd(const PosternMessage *message, PosternMessage *copy, GError **error)
{
    g_autofree char *buffer = g_malloc(POSTERN_MESSAGE_CHUNK_OCTETS);
    while (copy->size < copy->maximum) {
        gsize wanted = (gsize)MIN(copy->maximum - copy->size, (guint64)POSTERN_MESSAGE_CHUNK_OCTETS);
        gssize length = read_at(message->descriptor, buffer, wanted, copy->size, error);
        if (length == 0)
            postern_error_set_system(error, EIO, "cannot read a message");
        if (length <= 0 || !postern_message_append(copy, buffer, (gsize)length, error))
            return FALSE;
    }
    return TRUE;
}

PosternMessage *postern_message_copy_header(const PosternMessage *message, GError **error)
{
    guint64 octets = message->place == POSTERN_HEADER_ENDED ? message->header_octets : message->size;
    g_autoptr(PosternMessage) copy = postern_message_new(octets, message->budget, error);
    const char *start = held(message);
    gboolean copied = start != NULL ? postern_message_append(copy, start, (gsize)octets, error)
                                    : copy_from_memfd(message, copy, error);
    return copied && postern_message_seal(copy, error) ? g_steal_pointer(&copy) : NULL;
}

gboolean postern_message_header_complete(const PosternMessage *message, guint64 *ret_octets)
{
    gboolean complete = message->place == POSTERN_HEADER_ENDED;
    if (ret_octets != NULL)
        *ret_octets = complete ? message->header_octets : 0;
    return complete;
}

gboolean postern_message_body_digest(PosternMessage *message, guint64 *ret_header_octets,
                                     guint8 ret_digest[POSTERN_MESSAGE_DIGEST_OCTETS])
{
    gsize length = 0;
    *ret_header_octets = message->place == POSTERN_HEADER_ENDED ? message->header_octets : message->size;
    if (message->body != NULL) {
        EVP_MD_CTX *all = EVP_MD_CTX_new();
        gboolean done =
            EVP_MD_CTX_copy_ex(all, message->body) == 1 && EVP_DigestFinal_ex(all, ret_digest, NULL) == 1;
        EVP_MD_CTX_free(all);
        return done;
    }
    const char *octets = postern_message_octets(message, &length, NULL);
    return octets != NULL && EVP_Digest(octets + *ret_header_octets, length - *ret_header_octets, ret_digest,
                                        NULL, EVP_sha256(), NULL) == 1;
}

/* Takes size and place in the header from what the descriptor holds. */
static gboolean adopt(PosternMessage *message, guint64 size, GError **error)
{
    const char *octets = size > 0 ? map(message, size, error) : "";
    if (octets != NULL)
        follow_header(message, octets, size);
    message->size = size;
    return octets != NULL;
}

PosternMessage *postern_message_from_descriptor(int descriptor, guint64 maximum, GError **error)
{
    g_autoptr(PosternMessage) message = message_new(maximum);
    struct stat status;
    message->descriptor = descriptor;
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) {
        g_set_error_literal(
            error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
            "the descriptor of a message is not a memfd sealed against shrink, growth and writes");
        return NULL;
    }
    if (fstat(descriptor, &status) < 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0) {
        postern_error_set_system(error, errno, "cannot examine the descriptor of a message");
        return NULL;
    }
    if ((guint64)status.st_size > maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "message of %" G_GINT64_FORMAT " octets is larger than the limit of %" G_GUINT64_FORMAT
                    " octets",
                    (gint64)status.st_size, maximum);
        return NULL;
    }
    message->sealed = TRUE;
    return adopt(message, (guint64)status.st_size, error) ? g_steal_pointer(&message) : NULL;
}
