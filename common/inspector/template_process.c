#include "inspector/template_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/execute.h"
#include "inspector/held_files.h"
#include "inspector_client/packet.h"

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

/* TRUE: it has been waited for; *ret_status is set. */
static gboolean wait_for(PosternTemplateProcess *process, int flags, int *ret_status)
{
    GPid ended = 0;
    do {
        ended = waitpid(process->process, ret_status, flags);
    } while (ended < 0 && errno == EINTR);
    if (ended != 0)
        process->process = 0;
    return ended != 0;
}

static void take_packet(PosternTemplateProcess *process, PosternPacket *packet)
{
    if (packet->kind == POSTERN_PACKET_FORKED) {
        process->calls->forked(process, packet->id, (GPid)packet->value,
                               postern_packet_take_descriptor(packet), process->user_data);
    } else if (packet->kind == POSTERN_PACKET_ENDED) {
        process->calls->worker_ended(process, packet->id, (int)MIN(packet->value, G_MAXINT),
                                     process->user_data);
    } else if (packet->kind == POSTERN_PACKET_LOG && packet->value <= POSTERN_LOG_DEBUG) {
        postern_log((PosternLogLevel)packet->value, "%s", packet->text);
    } else if (packet->kind == POSTERN_PACKET_FILE) {
        postern_held_files_take(process->files, packet);
    } else if (packet->kind == POSTERN_PACKET_CHANGED) {
        process->calls->changed(process, process->user_data);
    } else if (packet->kind == POSTERN_PACKET_READY) {
        process->loaded = TRUE;
        process->loaded_count = packet->value;
        g_free(process->version);
        process->version = g_strdup(packet->text);
        if (process->control >= 0)
            evtimer_del(process->deadline);
        process->calls->ready(process, process->user_data);
    } else if (packet->kind == POSTERN_PACKET_FAILURE && packet->id == 0) {
        g_free(process->last_words);
        process->last_words = g_strdup(packet->text);
    } else if (packet->kind == POSTERN_PACKET_FAILURE) {
        process->calls->failed(process, packet->id, packet->text, process->user_data);
    }
}

/* FALSE: there is none now. */
static gboolean take_next(PosternTemplateProcess *process)
{
    g_auto(PosternPacket) packet = {0};
    if (process->control < 0)
        return FALSE;
    int received = postern_packet_receive(process->control, &packet, NULL);
    if (received > 0)
        take_packet(process, &packet);
    else if (received < 0)
        postern_template_process_end(process);
    return received > 0;
}

static void on_readable(evutil_socket_t socket, short what, void *data)
{
    (void)socket, (void)what;
    take_next(data);
}

/* It hangs: while it loads, or when it was bidden to end. */
static void on_deadline(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternTemplateProcess *process = data;
    process->timed_out = process->control >= 0;
    if (process->last_words == NULL && process->control >= 0) {
        process->last_words =
            g_strdup_printf("the template of role %s did not load within %d s",
                            postern_role_name(process->role), POSTERN_INSPECTOR_TEMPLATE_START_SECONDS);
    }
    if (process->process != 0)
        kill(process->process, SIGKILL);
}

static void set_deadline(PosternTemplateProcess *process, guint milliseconds)
{
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    process->end_by = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    evtimer_add(process->deadline, &time);
}

static void on_death(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternTemplateProcess *process = data;
    int status = 0;
    if (!wait_for(process, WNOHANG, &status))
        return;
    g_clear_pointer(&process->death, event_free);
    while (take_next(process)) {
    }
    g_autofree char *how = postern_wait_status_describe(status);
    g_autofree char *text =
        process->last_words != NULL
            ? g_strdup(process->last_words)
            : g_strdup_printf("the template of role %s ended %s", postern_role_name(process->role), how);
    process->calls->ended(process, text, process->user_data);
}

/* Its configuration as a file of text that nobody can change. */
static int configuration_descriptor(const PosternConfiguration *configuration, GError **error)
{
    char *text = postern_configuration_dump(configuration);
    g_autoptr(GBytes) octets = g_bytes_new_take(text, strlen(text));
    return postern_sealed_memfd_new("postern-configuration", octets, error);
}

static gboolean start(PosternTemplateProcess *process, const PosternTemplateProcessOptions *options,
                      GError **error)
{
    int sockets[2] = {-1, -1};
    int text = configuration_descriptor(options->configuration, error);
    g_autofree char *directory = g_strdup_printf("--directory=%s", process->directory);
    g_autofree char *role = g_strconcat("--role=", postern_role_name(process->role), NULL);
    g_autofree char *at_least = g_strdup_printf("--at-least=%" G_GUINT64_FORMAT, options->at_least);
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    char name[] = "postern-inspector", template[] = "--template", background[] = "--background",
         only_held[] = "--only-held";
    g_autofree char *held = g_strdup_printf("--held=%u", options->held->len);
    g_autofree char *user = g_strconcat("--worker-user=", options->worker_user, NULL);
    char *const all[] = {name, template, directory, role, at_least, held};
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        g_ptr_array_add(arguments, all[i]);
    if (options->background)
        g_ptr_array_add(arguments, background);
    if (options->only_held)
        g_ptr_array_add(arguments, only_held);
    g_ptr_array_add(arguments, options->worker_user != NULL ? user : NULL);
    g_ptr_array_add(arguments, NULL);
    if (text < 0)
        return FALSE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        close(text);
        return postern_error_set_system(error, errno, "making a pair of sockets");
    }
    const int descriptors[] = {sockets[1], text, options->directory->lock};
    GPid started = postern_execute(options->program, (char *const *)arguments->pdata, descriptors,
                                   G_N_ELEMENTS(descriptors), error);
    close(text);
    close(sockets[1]);
    process->control = sockets[0];
    process->process = MAX(started, 0);
    if (started <= 0)
        return FALSE;
    process->descriptor = pidfd_open(started, 0);
    (void)postern_held_files_send(options->held, process->control); /* its end is seen elsewhere */
    return process->descriptor >= 0 ||
           postern_error_set_system(error, errno, "watching process %d", (int)started);
}

PosternTemplateProcess *postern_template_process_new(const PosternTemplateProcessOptions *options,
                                                     const PosternTemplateCalls *calls, gpointer user_data,
                                                     GError **error)
{
    PosternTemplateProcess *process = g_new0(PosternTemplateProcess, 1);
    process->role = options->role;
    process->number = options->number;
    process->control = process->descriptor = -1;
    process->files = postern_held_files_new();
    process->calls = calls;
    process->user_data = user_data;
    gboolean scans = options->role == POSTERN_ROLE_SCAN && options->configuration->virus.scan;
    process->clamd = g_strdup(scans ? options->configuration->virus.clamd : "");
    process->directory =
        g_strdup_printf("%s/template-%" G_GUINT64_FORMAT, options->directory->path, options->number);
    if (mkdir(process->directory, 0700) != 0 ||
        (options->worker_user != NULL && chmod(process->directory, 0711) != 0)) {
        postern_error_set_system(error, errno, "making the directory %s", process->directory);
        postern_template_process_free(process);
        return NULL;
    }
    if (!start(process, options, error)) {
        postern_template_process_free(process);
        return NULL;
    }
    evutil_make_socket_nonblocking(process->control);
    process->deadline = evtimer_new(options->loop, on_deadline, process);
    set_deadline(process, POSTERN_INSPECTOR_TEMPLATE_START_SECONDS * 1000);
    process->readable =
        event_new(options->loop, process->control, EV_READ | EV_PERSIST, on_readable, process);
    process->death = event_new(options->loop, process->descriptor, EV_READ | EV_PERSIST, on_death, process);
    event_add(process->readable, NULL);
    event_add(process->death, NULL);
    return process;
}

void postern_template_process_end(PosternTemplateProcess *process)
{
    /* While it loads it hears of nothing, and needs no time: it has no workers yet. */
    if (process->control >= 0 && process->deadline != NULL)
        set_deadline(process, process->loaded ? POSTERN_INSPECTOR_TEMPLATE_END_MS : 0);
    g_clear_pointer(&process->readable, event_free);
    close_descriptor(&process->control);
}

void postern_template_process_free(PosternTemplateProcess *process)
{
    if (process == NULL)
        return;
    int status = 0;
    struct pollfd ended = {.fd = process->descriptor, .events = POLLIN};
    postern_template_process_end(process);
    g_clear_pointer(&process->death, event_free);
    g_clear_pointer(&process->deadline, event_free);
    int left_ms = (int)(MAX(0, process->end_by - g_get_monotonic_time()) / 1000);
    if (process->process != 0 && (process->descriptor < 0 || poll(&ended, 1, left_ms) <= 0))
        kill(process->process, SIGKILL);
    if (process->process != 0)
        wait_for(process, 0, &status);
    postern_directory_remove(process->directory, TRUE);
    close_descriptor(&process->descriptor);
    g_free(process->directory);
    g_free(process->clamd);
    g_ptr_array_unref(process->files);
    g_free(process->last_words);
    g_free(process->version);
    g_free(process);
}

gboolean postern_template_process_fork(PosternTemplateProcess *process, guint64 number, int socket)
{
    const PosternPacket packet = {
        .kind = POSTERN_PACKET_FORK, .id = number, .descriptors = {socket}, .descriptor_count = 1};
    return process->control >= 0 && postern_packet_send(process->control, &packet, NULL) == 1;
}

gboolean postern_template_process_is_dead(const PosternTemplateProcess *process)
{
    struct pollfd ended = {.fd = process->descriptor, .events = POLLIN};
    return process->process == 0 || poll(&ended, 1, 0) > 0;
}
