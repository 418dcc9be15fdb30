#include "inspector/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/privileges.h"
#include "inspector/sandbox.h"
#include "inspector/stages.h"
#include "inspector_client/directory.h"
#include "inspector_client/packet.h"

#define SOCKET 3
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
    const PosternEngines *engines = options->engines;
    return postern_dkim_engine_self_test(engines->dkim, error) &&
           (engines->sign == NULL ||
            postern_sign_engine_self_test(engines->sign, engines->dkim, FALSE, error)) &&
           (engines->virus == NULL ||
            postern_virus_engine_self_test(engines->virus, options->directory, error));
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
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != options->parent) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "the template is gone");
        return FALSE;
    }
    return keep_only(options->socket, error) && postern_sandbox_enter(&sandbox, ret_confined, error) &&
           prove(options, error);
}

/* The kernel may have no room for a packet or its descriptors just now; that passes. */
static gboolean send_packet(const PosternPacket *packet, const int *descriptors, guint count)
{
    for (guint i = 0; i < SEND_TRIES; i++) {
        int sent = postern_packet_send(SOCKET, packet, descriptors, count, NULL);
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
    return send_packet(&packet, NULL, 0);
}

static gboolean send_response(guint64 id, const PosternResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    if (g_bytes_get_size(octets) > POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS)
        return send_failure(id, POSTERN_FAILURE_INVALID, "the findings are too large");
    int descriptor = postern_sealed_memfd_new("postern-response", octets, &error);
    if (descriptor < 0)
        return send_failure(id, POSTERN_FAILURE_UNAVAILABLE, error->message);
    PosternPacket packet = {.kind = POSTERN_PACKET_RESPONSE, .id = id};
    gboolean sent = send_packet(&packet, &descriptor, 1);
    close(descriptor);
    return sent;
}

/* Takes the descriptors. */
static PosternResponse *inspect(const PosternStageResources *resources, int *descriptors, guint count,
                                GError **error)
{
    g_autoptr(PosternMessage) message = NULL;
    g_autoptr(PosternRequest) request = NULL;
    if (count == 0) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "a request without content");
        return NULL;
    }
    g_autoptr(GBytes) octets =
        postern_sealed_memfd_read(descriptors[0], POSTERN_INSPECTOR_REQUEST_MAX_OCTETS, error);
    if (count > 1) {
        message = postern_message_from_descriptor(descriptors[1], POSTERN_MESSAGE_MAX_OCTETS,
                                                  octets != NULL ? error : NULL);
    }
    if (octets == NULL || (count > 1 && message == NULL))
        return NULL;
    request = postern_request_parse(octets, error);
    return request != NULL ? postern_stage_run(resources, request, message, error) : NULL;
}

/* Whatever keeps /tmp tidy may have taken it: a new worker gets a new one. */
static gboolean has_its_directory(const PosternWorkerOptions *options)
{
    return options->directory == NULL || access(options->directory, R_OK | W_OK | X_OK) == 0;
}

static gboolean serve_one(const PosternWorkerOptions *options)
{
    const PosternStageResources resources = {
        .role = options->role, .engines = options->engines, .temporary_directory = options->directory};
    int descriptors[POSTERN_PACKET_DESCRIPTORS_MAX];
    guint count = 0;
    PosternPacket packet;
    g_autoptr(GError) error = NULL;
    if (postern_packet_receive(SOCKET, &packet, descriptors, &count, NULL) != 1)
        return FALSE;
    if (packet.kind != POSTERN_PACKET_REQUEST ||
        !postern_sandbox_allow_processor_time(options->scan_timeout_ms / 1000 + 1))
        return FALSE;
    g_autoptr(PosternResponse) response = inspect(&resources, descriptors, count, &error);
    gboolean sent = response != NULL ? send_response(packet.id, response)
                                     : send_failure(packet.id, POSTERN_FAILURE_INVALID, error->message);
    if (options->directory != NULL)
        postern_directory_remove(options->directory, FALSE);
    return sent && has_its_directory(options);
}

void postern_worker_run(const PosternWorkerOptions *options)
{
    gboolean confined = FALSE;
    g_autoptr(GError) error = NULL;
    if (!become_worker(options, &confined, &error)) {
        send_failure(0, POSTERN_FAILURE_UNAVAILABLE, error->message);
        _exit(1);
    }
    PosternPacket ready = {.kind = POSTERN_PACKET_READY, .value = confined};
    if (send_packet(&ready, NULL, 0)) {
        while (serve_one(options)) {
        }
    }
    _exit(0);
}
