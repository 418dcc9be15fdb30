#include "checks/virus/clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "checks/virus/clamd_reply.h"
#include "checks/virus/names.h"
#include "checks/virus/sample.h"

#define CHUNK_OCTETS 16384

/* A command that is not answered yet. */
typedef struct {
    guint64 id;       /* in the session */
    char *name;       /* of the file, or NULL */
    int descriptor;   /* that was passed: its octets follow if it is refused; -1: none was */
    gboolean version; /* is asked for, and no file scanned */
} Command;

struct PosternClamd {
    int socket;
    gboolean passes;
    gboolean broken; /* which has been noted */
    gint64 end;
    guint64 last_id;
    PosternVirusFinding *finding;
    GQueue commands; /* of Command * */
    gsize held;      /* octets in buffer */
    char *version;
    char buffer[POSTERN_CLAMD_REPLY_MAX_OCTETS];
};

static const char ended[] = "it has ended the connection: a limit of its configuration (StreamMaxLength, "
                            "ReadTimeout), a restart, or a crash";

static void command_free(gpointer data)
{
    Command *command = data;
    g_free(command->name);
    if (command->descriptor >= 0)
        close(command->descriptor);
    g_free(command);
}

/* FALSE. StreamMaxLength is no error that passes: the same message meets it at every retry. */
static gboolean fail(PosternClamd *clamd, const char *name, const char *what)
{
    gboolean limit = strstr(what, "size limit exceeded") != NULL;
    g_autofree char *text =
        g_strdup_printf("clamd: %s%s%s", name != NULL ? name : "", name != NULL ? ": " : "", what);
    postern_virus_finding_note(clamd->finding, limit ? POSTERN_VIRUS_TOO_LARGE : POSTERN_VIRUS_SCAN_ERROR,
                               text);
    return FALSE;
}

static gboolean break_off(PosternClamd *clamd, const char *what)
{
    clamd->broken = TRUE;
    return fail(clamd, NULL, what);
}

/* TRUE: events have come. */
static gboolean wait_for(PosternClamd *clamd, short events)
{
    struct pollfd socket = {.fd = clamd->socket, .events = events};
    for (;;) {
        gint64 left = clamd->end - g_get_monotonic_time();
        int ready = left > 0 ? poll(&socket, 1, (int)MIN(left / 1000 + 1, G_MAXINT)) : 0;
        if (ready > 0)
            return TRUE;
        if (ready == 0)
            return break_off(clamd, "no answer in time: it hangs, loads signatures, or has too much to do");
        if (errno != EINTR)
            return break_off(clamd, g_strerror(errno));
    }
}

/* (The sandbox knows recvmsg() alone.) */
static gssize receive_octets(PosternClamd *clamd)
{
    struct iovec part = {.iov_base = clamd->buffer + clamd->held,
                         .iov_len = sizeof clamd->buffer - clamd->held};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return recvmsg(clamd->socket, &message, MSG_DONTWAIT);
}

/* What it says meanwhile is read: if it ends, with octets of ours unread, the rest is lost. */
static void read_ahead(PosternClamd *clamd)
{
    gssize got = clamd->held < sizeof clamd->buffer ? receive_octets(clamd) : 0;
    clamd->held += got > 0 ? (gsize)got : 0;
}

/* Why the other side has ended may stand in what it said last. */
static gboolean break_off_sending(PosternClamd *clamd)
{
    gsize taken = 0;
    read_ahead(clamd);
    for (int parsed = 1; parsed > 0;) {
        g_auto(PosternClamdReply) reply = {0};
        parsed = postern_clamd_reply_parse(clamd->buffer, clamd->held, &reply, &taken);
        if (parsed > 0 && reply.result == POSTERN_CLAMD_ERROR)
            return break_off(clamd, reply.text);
        clamd->held -= parsed > 0 ? taken : 0;
        if (parsed > 0)
            memmove(clamd->buffer, clamd->buffer + taken, clamd->held);
    }
    return break_off(clamd, ended);
}

static gboolean send_message(PosternClamd *clamd, struct msghdr *message)
{
    for (;;) {
        gssize sent = sendmsg(clamd->socket, message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            message->msg_control = NULL;
            message->msg_controllen = 0;
            message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
            message->msg_iov->iov_len -= (gsize)sent;
            if (message->msg_iov->iov_len == 0)
                return TRUE;
        } else if (errno == EAGAIN) {
            if (!wait_for(clamd, POLLOUT))
                return FALSE;
            read_ahead(clamd);
        } else if (errno != EINTR) {
            return break_off_sending(clamd);
        }
    }
}

static gboolean send_octets(PosternClamd *clamd, const void *octets, gsize length)
{
    struct iovec part = {.iov_base = (void *)(guintptr)octets, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return length == 0 || send_message(clamd, &message);
}

/* A file that has octets, unlinked; -1: none can be made. */
static int file_of(const char *octets, gsize length)
{
    gsize at = 0;
    int descriptor = memfd_create("postern-clamd", MFD_CLOEXEC);
    while (descriptor >= 0 && at < length) {
        gssize written = write(descriptor, octets + at, length - at);
        at += written > 0 ? (gsize)written : 0;
        if (written < 0 && errno != EINTR) {
            close(descriptor);
            return -1;
        }
    }
    return descriptor;
}

/* The command, and with an octet that says nothing the descriptor. */
static gboolean pass_file(PosternClamd *clamd, int descriptor)
{
    static const char command[] = "zFILDES\0";
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(guintptr)command, .iov_len = sizeof command};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.octets,
                             .msg_controllen = sizeof control.octets};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    return send_message(clamd, &message);
}

/* Empty: the end of a stream. */
static gboolean send_chunk(PosternClamd *clamd, const char *octets, gsize length)
{
    guint32 size = htonl((guint32)length);
    return send_octets(clamd, &size, sizeof size) && send_octets(clamd, octets, length);
}

static gboolean begin_stream(PosternClamd *clamd)
{
    static const char command[] = "zINSTREAM";
    return send_octets(clamd, command, sizeof command);
}

static gboolean stream_octets(PosternClamd *clamd, const char *octets, gsize length)
{
    return begin_stream(clamd) && (length == 0 || send_chunk(clamd, octets, length)) &&
           send_chunk(clamd, NULL, 0);
}

static gboolean stream_file(PosternClamd *clamd, int descriptor)
{
    char octets[CHUNK_OCTETS];
    gssize got = 1;
    if (!begin_stream(clamd))
        return FALSE;
    for (off_t at = 0; got > 0; at += got) {
        got = pread(descriptor, octets, sizeof octets, at);
        if (got < 0 || !send_chunk(clamd, octets, (gsize)got))
            return got < 0 ? break_off(clamd, g_strerror(errno)) : FALSE;
    }
    return TRUE;
}

static gboolean receive(PosternClamd *clamd)
{
    for (;;) {
        gssize got = receive_octets(clamd);
        if (got > 0) {
            clamd->held += (gsize)got;
            return TRUE;
        }
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return break_off(clamd, ended);
        if (errno == EAGAIN && !wait_for(clamd, POLLIN))
            return FALSE;
        if (errno != EAGAIN && errno != EINTR)
            return break_off(clamd, g_strerror(errno));
    }
}

static Command *take_command(PosternClamd *clamd, guint64 id)
{
    for (GList *i = clamd->commands.head; i != NULL; i = i->next) {
        Command *command = i->data;
        if (command->id == id) {
            g_queue_delete_link(&clamd->commands, i);
            return command;
        }
    }
    return NULL;
}

/* Takes descriptor. */
static Command *add_command(PosternClamd *clamd, const char *name, int descriptor)
{
    Command *command = g_new0(Command, 1);
    command->id = ++clamd->last_id;
    command->name = g_strdup(name);
    command->descriptor = descriptor;
    g_queue_push_tail(&clamd->commands, command);
    return command;
}

static void note_found(PosternClamd *clamd, const Command *command, const char *signature)
{
    PosternVirusKind kind = POSTERN_VIRUS_SCAN_ERROR;
    g_autofree char *text = NULL;
    if (!postern_virus_names_kind(signature, &kind)) {
        postern_virus_finding_infected(clamd->finding, signature);
        return;
    }
    text = command->name != NULL ? g_strdup_printf("%s: %s", command->name, signature) : g_strdup(signature);
    postern_virus_finding_note(clamd->finding, kind, text);
}

static gboolean take_reply(PosternClamd *clamd, const PosternClamdReply *reply)
{
    g_autofree char *what = NULL;
    Command *command = take_command(clamd, reply->id);
    gboolean good = TRUE;
    if (command == NULL) {
        what = g_strdup_printf("it says what was not asked: %s", reply->text);
        return break_off(clamd, what);
    }
    if (reply->result == POSTERN_CLAMD_FOUND) {
        note_found(clamd, command, reply->text);
    } else if (reply->result == POSTERN_CLAMD_ERROR && command->descriptor >= 0) {
        clamd->passes = FALSE;
        (void)add_command(clamd, command->name, -1);
        good = stream_file(clamd, command->descriptor);
    } else if (command->version && reply->result == POSTERN_CLAMD_OTHER) {
        clamd->version = g_strdup(reply->text);
    } else if (command->version || reply->result != POSTERN_CLAMD_OK) {
        good = fail(clamd, command->name, reply->text);
    }
    command_free(command);
    return good;
}

/* Until at most count commands are not answered. */
static gboolean wait_until(PosternClamd *clamd, guint count)
{
    gboolean good = TRUE;
    while (!clamd->broken && g_queue_get_length(&clamd->commands) > count) {
        g_auto(PosternClamdReply) reply = {0};
        gsize taken = 0;
        int parsed = postern_clamd_reply_parse(clamd->buffer, clamd->held, &reply, &taken);
        if (parsed < 0) {
            break_off(clamd, "its answer is none that clamd gives");
        } else if (parsed == 0) {
            receive(clamd);
        } else {
            clamd->held -= taken;
            memmove(clamd->buffer, clamd->buffer + taken, clamd->held);
            good = take_reply(clamd, &reply) && good;
        }
    }
    return good && !clamd->broken;
}

PosternClamd *postern_clamd_new(int socket, gboolean begun, gboolean passes, gint64 end,
                                PosternVirusFinding *finding)
{
    static const char command[] = "zIDSESSION";
    PosternClamd *clamd = g_new0(PosternClamd, 1);
    *clamd = (PosternClamd){.socket = socket, .passes = passes, .end = end, .finding = finding};
    g_queue_init(&clamd->commands);
    if (!begun)
        (void)send_octets(clamd, command, sizeof command);
    return clamd;
}

void postern_clamd_free(PosternClamd *clamd)
{
    if (clamd == NULL)
        return;
    g_queue_clear_full(&clamd->commands, command_free);
    g_free(clamd->version);
    g_free(clamd);
}

gboolean postern_clamd_scan(PosternClamd *clamd, const char *octets, gsize length, const char *name)
{
    if (!wait_until(clamd, POSTERN_CLAMD_COMMANDS_MAX - 1) && clamd->broken)
        return FALSE;
    int descriptor = clamd->passes ? file_of(octets, length) : -1;
    (void)add_command(clamd, name, descriptor);
    return descriptor >= 0 ? pass_file(clamd, descriptor) : stream_octets(clamd, octets, length);
}

gboolean postern_clamd_wait(PosternClamd *clamd)
{
    return wait_until(clamd, 0);
}

gboolean postern_clamd_prove(PosternClamd *clamd)
{
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    PosternVirusFinding *asked = clamd->finding;
    g_autofree char *eicar = postern_virus_sample_eicar();
    clamd->finding = &finding;
    gboolean answered = postern_clamd_scan(clamd, eicar, strlen(eicar), NULL) && postern_clamd_wait(clamd);
    clamd->finding = asked;
    if (answered && finding.result == POSTERN_VIRUS_INFECTED)
        return TRUE;
    postern_virus_finding_note(asked, POSTERN_VIRUS_SCAN_ERROR,
                               finding.reason != NULL
                                   ? finding.reason
                                   : "clamd: it does not find the EICAR test file, and would miss viruses");
    clamd->broken = TRUE;
    return FALSE;
}

char *postern_clamd_version(PosternClamd *clamd)
{
    static const char command[] = "zVERSION";
    g_clear_pointer(&clamd->version, g_free);
    add_command(clamd, NULL, -1)->version = TRUE;
    if (!send_octets(clamd, command, sizeof command) || !postern_clamd_wait(clamd))
        return NULL;
    return g_strdup(clamd->version);
}

gboolean postern_clamd_passes(const PosternClamd *clamd)
{
    return clamd->passes;
}
