#!/usr/bin/python3 -B
"""
Breaks the proxy in one place at a time, in a copy of the source, and shows that the tests notice: the unit
tests of session, pool and back-end, and the simulation. Prints a table; the exit status is 1 if a mutant
lives.

    t/sim/mutants.py [NAME…]      all mutants, or those with these names; takes about half a minute for each

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

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SIMULATION = "session_sim_test"
TEST_SECONDS = 120

# Name, file, what stands there (once), what stands there in the mutant.
MUTANTS = [
    ("a refused RCPT is answered with 250", "proxy/session/backend.c",
     """    g_string_append(session->output, text);
    session->answer_deadline = G_MAXINT64;
    if (--transaction""",
     """    g_string_append(session->output, "250 2.1.5 Ok\\r\\n");
    session->answer_deadline = G_MAXINT64;
    if (--transaction"""),
    ("a refusal of RCPT is lost", "proxy/session/backend.c",
     """    if (postern_reply_class(reply) == 2) {
        recipient->state = POSTERN_RECIPIENT_ACCEPTED;""",
     """    if (postern_reply_class(reply) != 4) {
        recipient->state = POSTERN_RECIPIENT_ACCEPTED;"""),
    ("250 before the back-end's", "proxy/session/backend.c",
     """        add_received(session);
        PosternCase *mail_case""",
     """        add_received(session);
        g_string_append(session->output, "250 2.0.0 Ok\\r\\n");
        PosternCase *mail_case"""),
    ("the back-end's refusal of a message is 250", "proxy/session/backend.c",
     """    gboolean accepted = postern_reply_class(reply) == 2;
    session->transaction->delivery""",
     """    gboolean accepted = TRUE;
    g_free(text);
    text = g_strdup("250 2.0.0 Ok\\r\\n");
    session->transaction->delivery"""),
    ("one connection too many, of two threads", "proxy/servers/group.c",
     "    return server->used >= server->limit;",
     "    return server->used > server->limit;"),
    ("a slot is free before the server has closed", "proxy/connection/backend.c",
     """    if (peer_ended) {
        free_slot(""",
     """    if (peer_ended || failure == NULL) {
        free_slot("""),
    ("back to the pool before RSET is answered", "proxy/connection/backend.c",
     """    if (connection->state != CONNECTION_RETURNING ||
        postern_backend_state(connection->backend) != POSTERN_BACKEND_IDLE)
        return;""",
     """    if (connection->state != CONNECTION_RETURNING)
        return;"""),
    ("no RSET, and it never comes back", "proxy/session/hold.c",
     "        postern_backend_reset(backend, now);",
     "        ;"),
    ("a command behind RCPT is parked for ever", "proxy/session/backend.c",
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
    ("a client is parked with its reply", "proxy/connection/client.c",
     "    if (client->state != CLIENT_OPEN || !postern_stream_is_idle(client->stream))",
     "    if (client->state != CLIENT_OPEN)"),
    ("what a parked client says is not heard", "proxy/connection/clients.c",
     "    transport->functions->want(transport, POSTERN_TRANSPORT_READ);",
     "    transport->functions->want(transport, 0);"),
    ("a message is tried again after its dot", "proxy/session/backend.c",
     "    if (!postern_backend_is_before_data(event->during) ||",
     "    if (event->during < POSTERN_BACKEND_IDLE ||"),
    ("the message goes out before 354", "proxy/session/backend.c",
     """    postern_backend_data(session->backend, now);
}""",
     """    postern_backend_data(session->backend, now);
    postern_session_act(session, POSTERN_SESSION_SEND_MESSAGE)->message =
        postern_message_ref(transaction->message);
}"""),
    ("answers to RCPT in the wrong order", "proxy/session/backend.c",
     "    PosternRecipient *recipient = g_queue_pop_head(&transaction->sent);",
     "    PosternRecipient *recipient = g_queue_pop_tail(&transaction->sent);"),
    ("octets that wait are never given back", "proxy/connection/client.c",
     "    postern_budget_release(postern_session_budget(client->session), client->charged);",
     ""),
    ("a client that has ended its side loses what it said", "proxy/connection/client.c",
     """    if (client->state == CLIENT_SAYS_NO_MORE && postern_stream_unread(client->stream) == 0 &&
        postern_session_wants_input(client->session)) {""",
     """    if (client->state == CLIENT_SAYS_NO_MORE) {"""),
    ("the last reply is cut", "proxy/connection/client.c",
     "    if (client->state == CLIENT_CLOSING && postern_stream_unsent(client->stream) == 0)",
     "    if (client->state == CLIENT_CLOSING)"),
    ("no deadline for a client", "proxy/connection/client.c",
     """    gint64 deadline = postern_session_deadline(client->session);
    return now""",
     """    gint64 deadline = G_MAXINT64;
    return now"""),
    ("what the back-end has not taken of a stream is lost", "proxy/session/transit.c",
     "        if (!store(transit, transit->lent[i].iov_base, transit->lent[i].iov_len))",
     "        if (i > 0 && !store(transit, transit->lent[i].iov_base, transit->lent[i].iov_len))"),
    ("no descriptor, and nobody is told", "proxy/connection/backend.c",
     """    else
        postern_backend_closed(connection->backend, error->message, now);
    postern_thread_mark_backend(thread, number);""",
     """    postern_thread_mark_backend(thread, number);"""),
    ("an infected message passes", "proxy/session/verdict.c",
     """    if (mail_case->reply != NULL) {
        postern_session_conclude""",
     """    if (mail_case->reply != NULL && mail_case->reply[0] == '4') {
        postern_session_conclude"""),
    ("a message that is streamed ends where it waits", "proxy/connection/message_sender.c",
     "        gboolean ends = postern_transit_has_ended(sender->transit) &&",
     "        gboolean ends ="),
    ("the client is not read from again", "proxy/connection/backend.c",
     "        if (waits && octets > 0)",
     "        if (FALSE)"),
    ("a back-end lost in a stream is not told", "proxy/session/backend.c",
     "    gboolean needed = is_delivering(session) ||",
     "    gboolean needed = session->state == POSTERN_SESSION_DELIVERING ||"),
    ("octets that the back-end has not taken are lost", "proxy/connection/client.c",
     "    postern_session_settle(client->session, now);",
     ""),
    ("the back-end is not waited for", "proxy/session/data.c",
     "           postern_transit_waiting(session->transaction->transit) > 0;",
     "           FALSE;"),
    ("the back-end is not told of the next client", "proxy/session/backend.c",
     """    session->backend = backend;
    identify(session, now);""",
     """    session->backend = backend;
    if (postern_backend_ehlo(backend)->xclient_attributes == 0 || (now & 7) != 0)
        identify(session, now);
    else
        open_envelope(session, now);"""),
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
        self.make()

    def make(self):
        must(["cmake", "--build", self.build, "--target", SIMULATION, *self.units], self.folder)

    def units_complain(self):
        for unit in self.units:
            status, output = run([self.build / "t" / "unit" / unit], self.folder, TEST_SECONDS,
                                 POSTERN_SOURCE=str(self.folder))
            if status not in (0, 77):
                return f"{unit}: {first_complaint(status, output)}"
        return None

    def simulation_complains(self):
        sessions = os.environ.get("POSTERN_SIM_SESSIONS", "20000")
        status, output = run([self.build / "t" / "sim" / SIMULATION], self.folder, TEST_SECONDS,
                             POSTERN_SIM_SESSIONS=sessions)
        return None if status == 0 else first_complaint(status, output)

    def try_mutant(self, name, file, old, new):
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            sys.exit(f"mutants: '{name}': {file} has its text {text.count(old)} times: renew the mutant")
        path.write_text(text.replace(old, new), encoding="utf-8")
        try:
            self.make()
            return self.units_complain(), self.simulation_complains()
        finally:
            path.write_text(text, encoding="utf-8")


def main():
    wanted = [mutant for mutant in MUTANTS if len(sys.argv) == 1 or mutant[0] in sys.argv[1:]]
    kept = os.environ.get("POSTERN_MUTANTS_FOLDER")
    folder = pathlib.Path(kept or tempfile.mkdtemp(prefix="postern-mutants-"))
    try:
        copy = Copy(folder)
        complaints = copy.units_complain() or copy.simulation_complains()
        if complaints:
            sys.exit(f"mutants: the source as it is: {complaints}")
        alive = 0
        for name, file, old, new in wanted:
            unit, simulation = copy.try_mutant(name, file, old, new)
            alive += not unit and not simulation
            print(f"{name}\n    unit        {unit or '-'}\n    simulation  {simulation or '-'}", flush=True)
        print(f"{len(wanted)} mutants, {alive} live")
        return 1 if alive else 0
    finally:
        if not kept:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
