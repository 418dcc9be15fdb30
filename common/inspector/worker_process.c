#include "inspector/worker_process.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

/* An answer that is not to the request under way is a worker that is no longer ours. */
static gboolean is_answer(const PosternWorkerProcess *worker, const PosternPacket *packet)
{
    return worker->state == POSTERN_WORKER_BUSY && packet->id == worker->request &&
           (packet->kind == POSTERN_PACKET_RESPONSE || packet->kind == POSTERN_PACKET_FAILURE);
}

static void set_idle(PosternWorkerProcess *worker)
{
    worker->state = POSTERN_WORKER_IDLE;
    worker->idle_since = g_get_monotonic_time();
}

/* Its own word may come before that of its template, without which it can be neither watched nor killed. */
static void begin_if_known(PosternWorkerProcess *worker)
{
    if (!worker->proved || worker->process == 0)
        return;
    set_idle(worker);
    worker->calls->ready(worker, worker->confined, worker->user_data);
}

static void on_readable(evutil_socket_t socket, short what, void *data)
{
    (void)what;
    PosternWorkerProcess *worker = data;
    g_auto(PosternPacket) packet = {0};
    int received = postern_packet_receive(socket, &packet, NULL);
    if (received == 0 && worker->end < 0)
        return;
    if (worker->end >= 0)
        event_active(worker->readable, EV_READ, 1);
    if (received > 0 && is_answer(worker, &packet)) {
        set_idle(worker);
        worker->scans += (packet.value & POSTERN_ANSWER_SCANNED) != 0;
        worker->calls->answered(worker, &packet, worker->user_data);
        return;
    }
    gboolean starting = received > 0 && worker->state == POSTERN_WORKER_STARTING;
    if (starting && !worker->proved && packet.kind == POSTERN_PACKET_READY) {
        worker->proved = TRUE;
        worker->confined = packet.value != 0;
        begin_if_known(worker);
        return;
    }
    worker->calls->ended(worker, starting && packet.text[0] != '\0' ? packet.text : NULL, worker->user_data);
}

PosternWorkerProcess *postern_worker_process_new(struct event_base *loop, guint64 number, int socket,
                                                 const PosternWorkerCalls *calls, gpointer user_data)
{
    PosternWorkerProcess *worker = g_new0(PosternWorkerProcess, 1);
    worker->number = number;
    worker->socket = socket;
    worker->started = g_get_monotonic_time();
    worker->descriptor = worker->end = -1;
    worker->calls = calls;
    worker->user_data = user_data;
    worker->readable = event_new(loop, socket, EV_READ | EV_PERSIST, on_readable, worker);
    event_add(worker->readable, NULL);
    return worker;
}

void postern_worker_process_free(PosternWorkerProcess *worker)
{
    if (worker == NULL)
        return;
    event_free(worker->readable);
    close(worker->socket);
    if (worker->descriptor >= 0) {
        pidfd_send_signal(worker->descriptor, SIGKILL, NULL, 0);
        close(worker->descriptor);
    }
    g_free(worker);
}

void postern_worker_process_adopt(PosternWorkerProcess *worker, GPid process, int descriptor)
{
    worker->process = process;
    worker->descriptor = descriptor;
    if (worker->yielding)
        postern_worker_process_yield(worker);
    begin_if_known(worker);
}

void postern_worker_process_note_end(PosternWorkerProcess *worker, int signal)
{
    worker->end = signal;
    event_active(worker->readable, EV_READ, 1);
}

gint64 postern_worker_process_clock(const PosternWorkerProcess *worker)
{
    clockid_t clock;
    struct timespec time;
    if (worker->process == 0 || clock_getcpuclockid(worker->process, &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        return -1;
    return (gint64)time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

void postern_worker_process_yield(PosternWorkerProcess *worker)
{
    worker->yielding = TRUE;
    if (worker->process != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)worker->process, POSTERN_INSPECTOR_HEAVY_NICE);
}

gboolean postern_worker_process_send(PosternWorkerProcess *worker, guint64 request,
                                     const PosternPacket *packet, GBytes *kept, int scanner,
                                     PosternScannerState state)
{
    PosternPacket renumbered = *packet;
    renumbered.id = request;
    if (kept != NULL) {
        const PosternPacket recall = {.kind = POSTERN_PACKET_RECALL,
                                      .id = request,
                                      .octets = kept,
                                      .content_octets = (guint32)g_bytes_get_size(kept)};
        if (postern_packet_send(worker->socket, &recall, NULL) != 1)
            return FALSE;
    }
    if (scanner >= 0) {
        renumbered.descriptors[renumbered.descriptor_count++] = scanner;
        renumbered.scanner = state;
    }
    if (postern_packet_send(worker->socket, &renumbered, NULL) != 1)
        return FALSE;
    worker->state = POSTERN_WORKER_BUSY;
    worker->request = request;
    worker->requests++;
    return TRUE;
}
