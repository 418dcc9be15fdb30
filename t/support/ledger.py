"""
What clients were told, what the back-end has recorded and what the proxy has logged, compared: the promise
that nothing acknowledged is lost, and its conditions.
"""

import collections
import hashlib
from typing import NamedTuple

from support.load import DOMAIN, Outcome


class Span(NamedTuple):
    """From when to when something was done, by the clock of the attempts: it fell somewhere within."""

    began: float
    ended: float


class Ledger:
    """
    The books of one test. load has the attempts, records are those of the back-end, lines the closing lines
    of the proxy's log ("message"), kills the spans within which the proxy was killed, drains those in which
    it drained. prefix_allowed: header fields may stand before a recorded message (the proxy adds them).
    """

    def __init__(self, load, records, lines, kills=(), drains=(), prefix_allowed=False):
        self.load = load
        self.attempts = {attempt.sender: attempt for attempt in load.attempts}
        self.kills = list(kills)
        self.drains = list(drains)
        self.prefix_allowed = prefix_allowed
        self.records = collections.defaultdict(list)
        for record in records:
            self.records[record.sender].append(record)
        self.lines = collections.defaultdict(list)
        for line in lines:
            sender = line["from"][1:-1]
            if sender.endswith(f"@{DOMAIN}"):
                self.lines[sender].append(line)

    def counts(self):
        """Figures for the eye."""
        by_message = collections.Counter()
        for sender, records in self.records.items():
            by_message[sender.partition(".")[0]] += len(records)
        return {
            "messages": len(self.load.messages), "attempts": len(self.attempts),
            **{outcome.value: self.load.count(outcome) for outcome in Outcome},
            "recorded": sum(by_message.values()),
            "recorded unacknowledged": len(self.unacknowledged()),
            "logged unknown": sum(self._has_delivery(sender, "unknown") for sender in self.lines),
            "duplicates": sum(count - 1 for count in by_message.values()),
            "kills": len(self.kills),
        }

    def summary(self):
        return ", ".join(f"{value} {key}" for key, value in self.counts().items())

    def unacknowledged(self):
        """Attempts that were recorded though their client had no 2xx."""
        return [self.attempts[sender] for sender in self.records if sender in self.attempts
                and self.attempts[sender].outcome is not Outcome.ACKNOWLEDGED]

    def problems(self):
        """Every breach, in words, losses first; none is how it must be."""
        found = [f"an unknown sender was recorded: {sender}" for sender in self.records
                 if sender not in self.attempts]
        found += [f"an unknown sender was logged: {sender}" for sender in self.lines
                  if sender not in self.attempts]
        for attempt in self.attempts.values():
            found += [f"{attempt.sender} ({attempt.outcome.value} at {attempt.step}: {attempt.code} "
                      f"{attempt.text}): {problem}" for problem in self._problems_of(attempt)]
        return sorted(found, key=lambda problem: "LOST" not in problem)

    def _problems_of(self, attempt):
        records = self.records.get(attempt.sender, [])
        yield from self._delivery_problems(attempt, records)
        for record in records:
            if not self._is_exact(record.octets, attempt.message):
                yield f"what was recorded is not what was sent: {record.path}"
            if record.recipients != attempt.accepted:
                yield f"recorded for {record.recipients}, not {attempt.accepted}"
        yield from self._log_problems(attempt, bool(records))

    def _delivery_problems(self, attempt, records):
        if attempt.hung:
            yield "the client waited in vain"
        if len(records) > 1:
            yield f"one attempt was recorded {len(records)} times"
        if attempt.outcome is Outcome.ACKNOWLEDGED and not records:
            yield "LOST: acknowledged, and not recorded"
        if attempt.outcome is Outcome.ACKNOWLEDGED and not attempt.accepted:
            yield "acknowledged for nobody"
        if records and attempt.step != "dot":
            yield "recorded before its dot was sent"
        if attempt.outcome in (Outcome.CUT, Outcome.UNKNOWN) and not self._may_be_cut(attempt):
            yield "the connection was closed on a client that stayed"
        if attempt.message.infected and (records or attempt.outcome is Outcome.ACKNOWLEDGED):
            yield "an infected message came through"
        if not attempt.message.infected and attempt.code >= 500:
            yield "a good message was refused for good"
        is_unknown = self._has_delivery(attempt.sender, "unknown")
        if records and attempt.outcome is Outcome.REFUSED and not is_unknown:
            yield "refused and yet recorded, and the log does not say delivery=unknown"

    def _log_problems(self, attempt, recorded):
        lines = self.lines.get(attempt.sender, [])
        if len(lines) > 1:
            yield f"it has {len(lines)} closing lines"
        if not lines:
            if self._is_killed_line(attempt):
                return
            if attempt.answered and not _was_open(attempt, self.kills):
                yield "it has no closing line"
            if attempt.outcome is Outcome.ACKNOWLEDGED:
                yield "acknowledged, and not logged"
            return
        line = lines[0]
        if attempt.outcome is Outcome.ACKNOWLEDGED and line["delivery"] != "accepted":
            yield f"acknowledged, and logged as delivery={line['delivery']}"
        if attempt.outcome in (Outcome.REFUSED, Outcome.CUT) and line["delivery"] == "accepted":
            yield "logged as accepted, against what the client knows"
        if recorded and line["delivery"] not in ("accepted", "unknown"):
            yield f"recorded, and logged as delivery={line['delivery']}"
        if attempt.step == "dot" and attempt.code and not line.get("reply", "").startswith(str(attempt.code)):
            yield f"the log has another reply: {line.get('reply')}"

    def _is_killed_line(self, attempt):
        """
        Lines are queued, in their order, before their client has its reply, and a thread writes them: a kill
        takes the last ones, none of an attempt that was over before one with a line began.
        """
        life = self._life(attempt)
        return life < len(self.kills) and not any(
            self._life(other) == life and other.began > attempt.ended and other.sender in self.lines
            for other in self.attempts.values())

    def _life(self, attempt):
        """Which of the processes that were killed one after the other it spoke to; the last one was not."""
        began = attempt.connection.began if attempt.connection is not None else attempt.began
        return sum(kill.ended < began for kill in self.kills)

    def _is_exact(self, octets, message):
        if hashlib.sha256(octets).hexdigest() == message.sha256:
            return True
        return self.prefix_allowed and octets.endswith(b"\r\n" + message.octets)

    def _has_delivery(self, sender, delivery):
        return any(line["delivery"] == delivery for line in self.lines.get(sender, []))

    def _may_be_cut(self, attempt):
        """Where nobody listened, by a kill, or by a drain before the transaction had begun."""
        return (attempt.step == "connect" or _was_open(attempt, self.kills)
                or not attempt.mail_taken and _was_open(attempt, self.drains))


def _was_open(attempt, spans):
    connection = attempt.connection
    return connection is not None and any(connection.was_open_within(span) for span in spans)
