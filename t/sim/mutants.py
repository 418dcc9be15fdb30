#!/usr/bin/python3 -B
"""
Breaks the proxy in one place at a time, in a copy of the source, and shows that the tests notice: the
simulation, or else the unit tests of session, pool and back-end. Prints a table; the exit status is 1 if a
mutant lives.

    t/sim/mutants.py [--both] [NAME…]    all mutants, or those with these names; --both: the unit tests too of
                                         what the simulation catches

POSTERN_MUTANTS_FOLDER: where the copy is built and kept for the next time; else it is removed.
POSTERN_SIM_SESSIONS: of the simulation, for each mutant (20000).
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SIMULATION = "session_sim_test"
TEST_SECONDS = 120

# Name, file, what stands there (once), what stands there in the mutant.
MUTANTS = [
    ("a refused RCPT is answered with 250", "proxy/session/server_replies.c",
     """    g_string_append(session->output, text);
    session->answer_deadline = G_MAXINT64;
    if (--transaction""",
     """    g_string_append(session->output, "250 2.1.5 Ok\\r\\n");
    session->answer_deadline = G_MAXINT64;
    if (--transaction"""),
    ("a refusal of RCPT is lost", "proxy/session/server_replies.c",
     """    if (postern_reply_class(reply) == 2) {
        recipient->state = POSTERN_RECIPIENT_ACCEPTED;""",
     """    if (postern_reply_class(reply) != 4) {
        recipient->state = POSTERN_RECIPIENT_ACCEPTED;"""),
    ("250 before the back-end's", "proxy/session/server_replies.c",
     """        add_received(session);
        PosternCase *mail_case""",
     """        add_received(session);
        g_string_append(session->output, "250 2.0.0 Ok\\r\\n");
        PosternCase *mail_case"""),
    ("the back-end's refusal of a message is 250", "proxy/session/server_replies.c",
     """    gboolean accepted = postern_reply_class(event->reply) == 2;
    session->transaction->delivery""",
     """    gboolean accepted = TRUE;
    g_free(text);
    text = g_strdup("250 2.0.0 Ok\\r\\n");
    session->transaction->delivery"""),
    ("an LMTP server's first reply is that of all", "proxy/servers/backend_replies.c",
     """    if (!g_queue_is_empty(&backend->in_flight))
        return;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    reply =""",
     """    postern_backend_forget_commands(backend);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    reply ="""),
    ("one connection too many, of two threads", "proxy/servers/group.c",
     "    return server->used >= server->limit;",
     "    return server->used > server->limit;"),
    ("an envelope that is repeated goes to the first group", "proxy/session/hold.c",
     "    postern_session_act(session, POSTERN_SESSION_BORROW)->group = postern_session_group(session);",
     """    postern_session_act(session, POSTERN_SESSION_BORROW)->group =
        session->transaction != NULL && session->transaction->accepted > 0
            ? g_ptr_array_index(session->settings->groups, 0)
            : postern_session_group(session);"""),
    ("a drain is not heeded", "proxy/servers/members.c",
     "    server->drain = settings->drain ||",
     "    server->drain = FALSE &&"),
    ("a server that is drained is chosen", "proxy/servers/balance.c",
     "server->retry_at == G_MININT64 && !server->drain;",
     "server->retry_at == G_MININT64;"),
    ("any reply is the answer to QUIT", "proxy/servers/backend_replies.c",
     "    return reply->code == 221;",
     "    return TRUE;"),
    ("a recipient of another group is taken too", "proxy/session/mail.c",
     "    else if (goes_elsewhere(transaction, recipient) && transaction->accepted > 0)",
     "    else if (FALSE)"),
    ("a slot is free before the server has closed", "proxy/connection/backend_connection.c",
     """    if (peer_ended) {
        free_slot(""",
     """    if (peer_ended || failure == NULL) {
        free_slot("""),
    ("back to the pool before RSET is answered", "proxy/connection/backend_connection.c",
     """    if (connection->state != CONNECTION_RETURNING ||
        postern_backend_state(connection->backend) != POSTERN_BACKEND_IDLE)
        return;""",
     """    if (connection->state != CONNECTION_RETURNING)
        return;"""),
    ("no RSET, and it never comes back", "proxy/session/hold.c",
     "        postern_backend_reset(backend, now);",
     "        ;"),
    ("a command behind RCPT is parked for ever", "proxy/session/server_replies.c",
     """        if (!postern_session_awaits_answers(session))
            postern_session_run_pending(session, now);
    } else if""",
     """    } else if"""),
    ("the rest of a short write is parked for ever", "proxy/connection/stream.c",
     """    stream->blocked = stream->output != NULL;
    want(stream);
    apply_shutdown(stream);""",
     """    stream->blocked = FALSE;
    want(stream);
    apply_shutdown(stream);"""),
    ("a client is parked with its reply", "proxy/connection/client_connection.c",
     """    if (client->state != CLIENT_OPEN || client->tls != TLS_AS_IT_IS ||
        !postern_stream_is_idle(client->stream))""",
     "    if (client->state != CLIENT_OPEN || client->tls != TLS_AS_IT_IS)"),
    ("what a parked client says is not heard", "proxy/connection/clients.c",
     "    transport->functions->want(transport, POSTERN_TRANSPORT_READ);",
     "    transport->functions->want(transport, 0);"),
    ("a message is tried again after its dot", "proxy/session/server_replies.c",
     "    if (session->core.authenticated || !postern_backend_is_before_data(event->during) ||",
     "    if (session->core.authenticated || event->during < POSTERN_BACKEND_IDLE ||"),
    ("the message goes out before 354", "proxy/session/server_replies.c",
     """    postern_backend_data(session->backend, now);
}""",
     """    postern_backend_data(session->backend, now);
    postern_session_act(session, POSTERN_SESSION_SEND_MESSAGE)->message =
        postern_message_ref(transaction->message);
}"""),
    ("answers to RCPT in the wrong order", "proxy/session/server_replies.c",
     "    PosternRecipient *recipient = g_queue_pop_head(&transaction->sent);",
     "    PosternRecipient *recipient = g_queue_pop_tail(&transaction->sent);"),
    ("octets that wait are never given back", "proxy/connection/client_connection.c",
     """    postern_budget_release(postern_session_budget(client->session), client->charged);
    postern_session_free(client->session);""",
     "    postern_session_free(client->session);"),
    ("a client that has ended its side is not heard of again", "proxy/connection/client_connection.c",
     "            set_state(client, CLIENT_SAYS_NO_MORE);",
     "            lose(client);"),
    ("the last reply is cut", "proxy/connection/client_connection.c",
     """    if (client->state == CLIENT_CLOSING &&
        (postern_stream_unsent(client->stream) == 0 ||""",
     """    if (client->state == CLIENT_CLOSING &&
        (TRUE ||"""),
    ("no deadline for a client", "proxy/connection/client_connection.c",
     """    gint64 deadline = postern_session_deadline(client->session);
    if (client->client->pace != NULL)
        deadline =""",
     """    gint64 deadline = G_MAXINT64;
    if (client->client->pace != NULL)
        deadline ="""),
    ("what the back-end has not taken of a stream is lost", "proxy/session/transit.c",
     "        if (!store(transit, transit->lent[i].iov_base, transit->lent[i].iov_len))",
     "        if (i > 0 && !store(transit, transit->lent[i].iov_base, transit->lent[i].iov_len))"),
    ("no descriptor, and nobody is told", "proxy/connection/backend_connection.c",
     """    else
        postern_backend_closed(connection->backend, error->message, now);
    postern_thread_mark_backend(connection->thread, connection->number);""",
     """    postern_thread_mark_backend(connection->thread, connection->number);"""),
    ("an infected message passes", "proxy/session/verdict.c",
     """    if (mail_case->reply != NULL) {
        if (mail_case->reply[0]""",
     """    if (mail_case->reply != NULL && mail_case->reply[0] == '4') {
        if (mail_case->reply[0]"""),
    ("a message that is streamed ends where it waits", "proxy/connection/message_sender.c",
     "        gboolean ends = postern_transit_has_ended(sender->transit) &&",
     "        gboolean ends ="),
    ("the client is not read from again", "proxy/connection/backend_connection.c",
     "        if (waits && octets > 0)",
     "        if (FALSE)"),
    ("a back-end lost in a stream is not told", "proxy/session/server_replies.c",
     "    gboolean needed = is_delivering(session) ||",
     "    gboolean needed = session->state == POSTERN_SESSION_DELIVERING ||"),
    ("octets that the back-end has not taken are lost", "proxy/connection/client_connection.c",
     "    postern_session_settle(client->session, now);",
     ""),
    ("the back-end is not waited for", "proxy/session/data.c",
     "           postern_transit_waiting(session->transaction->transit) > 0;",
     "           FALSE;"),
    ("the back-end is not told of the next client", "proxy/session/server_replies.c",
     """                          now - session->borrows_since);
    identify(session, now);""",
     """                          now - session->borrows_since);
    if (postern_backend_ehlo(backend)->xclient_attributes == 0 || (now & 7) != 0)
        identify(session, now);
    else
        open_envelope(session, now);"""),
    ("a login is kept when its connection is lost", "proxy/session/auth.c",
     "    if (session->core.authenticated && session->backend == NULL && session->state",
     "    if (FALSE && session->state"),
    ("a lost login is answered while the client is asked", "proxy/session/auth.c",
     "    if (!login->asks_client) /*",
     "    if (TRUE) /*"),
    ("the connection of a failed login is kept for the next", "proxy/session/auth.c",
     """    if (!session->core.authenticated)
        postern_session_release_backend(session, now);""",
     ""),
    ("who is refused has logged in", "proxy/session/auth.c",
     "    if (postern_reply_class(reply) == 2) {",
     "    if (postern_reply_class(reply) != 4) {"),
    ("an answer to a challenge is a command", "proxy/session/auth.c",
     "        login->asks_client = TRUE;",
     "        conclude(session, now);"),
    ("a suspect that does not read is waited for", "proxy/connection/slow.c",
     "    if (length < 0 && (errno != EAGAIN || now - pace->next >= timeout_ms))",
     "    if (length < 0 && errno != EAGAIN)"),
    ("an octet that TLS was refused is not offered again", "proxy/connection/slow.c",
     "    if (length < 0) { /* the same",
     "    if (FALSE) { /* the same"),
    ("the DNS is not waited for", "proxy/connection/server_tls.c",
     "    return tls->ask == NULL;",
     "    return TRUE;"),
]


def run(command, folder, seconds=1800, **environment):
    """The exit status and the output of a command; 124: it took too long."""
    try:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, env={**os.environ, **environment}, check=False)
    except subprocess.TimeoutExpired:
        return 124, "it does not end"
    return done.returncode, done.stdout.decode(errors="replace")


def must(command, folder):
    status, output = run(command, folder)
    if status != 0:
        sys.exit(f"mutants: {' '.join(map(str, command))}: {output[-3000:]}")


def copy_source(folder):
    names = subprocess.run(["git", "ls-files", "-z"], cwd=SOURCE, stdout=subprocess.PIPE, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        source, target = SOURCE / name, folder / name
        if source.is_file() and not (target.exists() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)


def first_complaint(status, output):
    if status < 0:
        return f"ended by signal {-status}" if "Bail out!" not in output else first_complaint(1, output)
    found = re.search(r"Bail out! (.*)|(it does not end)", output)
    text = (found[1] or found[2]) if found else output.strip()[-120:]
    return re.sub(r"\S*?([\w.]+\.[ch]:)", r"\1", text)[:110]


class Copy:
    """A copy of the source, and its build."""

    def __init__(self, folder):
        self.folder = folder
        copy_source(folder)
        self.build = folder / "build" / "dev"
        must(["cmake", "--preset", "dev", "-DPOSTERN_TESTS=ON", "-DPOSTERN_WERROR=OFF"], folder)
        self.units = sorted(path.stem for pattern in ("session_*_test.c", "session_test.c", "pool_*test.c",
                                                      "backend_*test.c")
                            for path in (folder / "t" / "unit").glob(pattern))

    def _make(self, *targets):
        must(["cmake", "--build", self.build, "--target", *targets], self.folder)

    def _unit_complains(self, unit):
        status, output = run([self.build / "t" / "unit" / unit], self.folder, TEST_SECONDS,
                             POSTERN_SOURCE=str(self.folder))
        return None if status == 0 else f"{unit}: {first_complaint(status, output)}"

    def units_complain(self):
        self._make(*self.units)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return next(filter(None, pool.map(self._unit_complains, self.units)), None)

    def simulation_complains(self):
        self._make(SIMULATION)
        sessions = os.environ.get("POSTERN_SIM_SESSIONS", "20000")
        status, output = run([self.build / "t" / "sim" / SIMULATION], self.folder, TEST_SECONDS,
                             POSTERN_SIM_SESSIONS=sessions)
        return None if status == 0 else first_complaint(status, output)

    def try_mutant(self, both, name, file, old, new):
        """What the simulation and the unit tests say of it; "not asked" is no complaint that is needed."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            sys.exit(f"mutants: '{name}': {file} has its text {text.count(old)} times: renew the mutant")
        path.write_text(text.replace(old, new), encoding="utf-8")
        try:
            simulation = self.simulation_complains()
            return simulation, self.units_complain() if both or not simulation else "not asked"
        finally:
            path.write_text(text, encoding="utf-8")


def main():
    names = [argument for argument in sys.argv[1:] if argument != "--both"]
    wanted = [mutant for mutant in MUTANTS if not names or mutant[0] in names]
    kept = os.environ.get("POSTERN_MUTANTS_FOLDER")
    folder = pathlib.Path(kept or tempfile.mkdtemp(prefix="postern-mutants-"))
    try:
        copy = Copy(folder)
        complaints = copy.simulation_complains() or copy.units_complain()
        if complaints:
            sys.exit(f"mutants: the source as it is: {complaints}")
        alive = 0
        for name, file, old, new in wanted:
            simulation, unit = copy.try_mutant("--both" in sys.argv, name, file, old, new)
            alive += not unit and not simulation
            print(f"{name}\n    simulation  {simulation or '-'}\n    unit        {unit or '-'}", flush=True)
        print(f"{len(wanted)} mutants, {alive} live")
        return 1 if alive else 0
    finally:
        if not kept:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
