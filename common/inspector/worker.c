#include "inspector/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/privileges.h"
#include "daemon/directory.h"
#include "inspector/recall.h"
#include "inspector/sandbox.h"
#include "inspector/stages.h"
#include "inspector_client/packet.h"

#define SOCKET 3
#define LINKS_OF_EMPTY_DIRECTORY 2
#define SCANS (POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT | POSTERN_CHECK_SIGN | POSTERN_CHECK_RULES)
#define SEND_TRIES 200
#define SEND_PAUSE_MS 25

/* Standard error stays, for what the C library says of an abort; nothing else is left. */
static gboolean keep_only(int socket, GError **error)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    gboolean kept = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
                    (socket == SOCKET || dup2(socket, SOCKET) >= 0) && close_range(SOCKET + 1, ~0U, 0) == 0;
    return kept || postern_error_set_system(error, errno, "closing descriptors");
}

/* A worker that could not do its work must not be given any. */
static gboolean prove(const PosternWorkerOptions *options, GError **error)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_evaluations[i]->self_test != NULL &&
            !postern_evaluations[i]->self_test(options->engines, options->directory, error))
            return FALSE;
    return TRUE;
}

static gboolean become_worker(const PosternWorkerOptions *options, gboolean *ret_confined, GError **error)
{
    const PosternSandboxOptions sandbox = {.directory = options->directory,
                                           .memory_octets = options->memory_octets,
                                           .file_octets = options->directory != NULL
                                                              ? options->temporary_octets
                                                              : POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS};
    if (options->user != NULL && !postern_privileges_drop(options->user, error))
        return FALSE;
    /* Who becomes another user loses that signal. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != options->parent)
        return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE, "the template is gone");
    return keep_only(options->socket, error) && postern_sandbox_enter(&sandbox, ret_confined, error) &&
           prove(options, error);
}

/* The kernel may have no room for a packet or its descriptors just now; that passes. */
static gboolean send_packet(const PosternPacket *packet)
{
    for (guint i = 0; i < SEND_TRIES; i++) {
        int sent = postern_packet_send(SOCKET, packet, NULL);
        if (sent != 0)
            return sent > 0;
        (void)poll(NULL, 0, SEND_PAUSE_MS);
    }
    return FALSE;
}

static gboolean send_failure(guint64 id, PosternFailure failure, const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = id, .failure = failure};
    postern_packet_set_text(&packet, text);
    return send_packet(&packet);
}

static gboolean send_response(guint64 id, const PosternResponse *response, guint answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    if (g_bytes_get_size(octets) > POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS)
        return send_failure(id, POSTERN_FAILURE_INVALID, "the findings are too large");
    g_auto(PosternPacket) packet = {.kind = POSTERN_PACKET_RESPONSE, .id = id, .value = answer};
    if (!postern_packet_set_content(&packet, octets, NULL, &error))
        return send_failure(id, POSTERN_FAILURE_UNAVAILABLE, error->message);
    return send_packet(&packet);
}

/* packet keeps the connection to clamd, which goes with it. */
static PosternResponse *inspect(PosternStageResources *resources, PosternPacket *packet, GBytes *kept,
                                guint *ret_answer, GError **error)
{
    g_autoptr(PosternMessage) message = NULL;
    g_autoptr(PosternRequest) request = NULL;
    g_autoptr(GBytes) octets = postern_packet_content(packet, POSTERN_INSPECTOR_REQUEST_MAX_OCTETS, error);
    if (octets == NULL || !postern_packet_message(packet, &message, error))
        return NULL;
    request = postern_request_parse(octets, error);
    if (request == NULL)
        return NULL;
    gboolean keep = FALSE;
    const PosternScanner scanner = {packet->descriptors[0], packet->scanner == POSTERN_SCANNER_BEGUN};
    resources->scanner = packet->scanner != POSTERN_SCANNER_NONE ? &scanner : NULL;
    PosternResponse *response = postern_recall_run(resources, request, message, packet, kept, &keep, error);
    resources->scanner = NULL;
    *ret_answer =
        ((request->checks & SCANS) != 0 ? POSTERN_ANSWER_SCANNED : 0) | (keep ? POSTERN_ANSWER_KEEP : 0);
    return response;
}

/*
 * Removes what libclamav left of the message: it keeps its files in folders, and one that is left counts
 * among the links of ours if the file system counts them; if it does not, all is looked through. FALSE:
 * whatever keeps /tmp tidy has taken our directory, and a new worker gets a new one.
 */
static gboolean tidy(const PosternWorkerOptions *options)
{
    struct stat status;
    if (options->directory == NULL)
        return TRUE;
    if (stat(options->directory, &status) != 0 || (status.st_mode & S_IRWXU) != S_IRWXU)
        return FALSE;
    if (status.st_nlink != LINKS_OF_EMPTY_DIRECTORY)
        postern_directory_remove(options->directory, FALSE);
    return TRUE;
}

/* The pool ends what takes too long; the limit on processor time holds if the pool does not. It is set
 * anew at most once a second: no more of it than of the clock can have been used in between. */
static gboolean allow_processor_time(const PosternWorkerOptions *options, gint64 *allowed_at)
{
    gint64 now = g_get_monotonic_time();
    if (*allowed_at != 0 && now - *allowed_at < G_USEC_PER_SEC)
        return TRUE;
    *allowed_at = now;
    return postern_sandbox_allow_processor_time(options->scan_timeout_ms / 1000 + 2);
}

/* The most memory that this process has had, in octets. */
static guint64 peak(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (guint64)usage.ru_maxrss * 1024 : 0;
}

static gboolean serve_one(const PosternWorkerOptions *options, gint64 *allowed_at)
{
    PosternStageResources resources = {
        .role = options->role, .engines = options->engines, .temporary_directory = options->directory};
    guint answer = 0;
    g_auto(PosternPacket) packet = {0};
    g_autoptr(GBytes) kept = NULL;
    g_autoptr(GError) error = NULL;
    if (postern_packet_receive(SOCKET, &packet, NULL) != 1)
        return FALSE;
    if (packet.kind == POSTERN_PACKET_RECALL) {
        kept = postern_packet_content(&packet, POSTERN_PACKET_CONTENT_MAX_OCTETS, NULL);
        postern_packet_clear(&packet);
        if (postern_packet_receive(SOCKET, &packet, NULL) != 1)
            return FALSE;
    }
    if (packet.kind != POSTERN_PACKET_REQUEST || !allow_processor_time(options, allowed_at))
        return FALSE;
    guint64 before = peak();
    g_autoptr(PosternResponse) response = inspect(&resources, &packet, kept, &answer, &error);
    if (peak() - before >= options->memory_octets / POSTERN_INSPECTOR_GROWTH_SHARE)
        answer |= POSTERN_ANSWER_GREW;
    gboolean sent = response != NULL ? send_response(packet.id, response, answer)
                                     : send_failure(packet.id, POSTERN_FAILURE_INVALID, error->message);
    return tidy(options) && sent;
}

void postern_worker_run(const PosternWorkerOptions *options)
{
    gboolean confined = FALSE;
    gint64 allowed_at = 0;
    g_autoptr(GError) error = NULL;
    if (!become_worker(options, &confined, &error)) {
        send_failure(0, POSTERN_FAILURE_UNAVAILABLE, error->message);
        _exit(1);
    }
    PosternPacket ready = {.kind = POSTERN_PACKET_READY, .value = confined};
    if (send_packet(&ready)) {
        while (serve_one(options, &allowed_at)) {
        }
    }
    _exit(0);
}
