"""
How long twenty clients wait for their verdicts, quiet and while another client sends bombs, with one scanning
worker: POSTERN_BUILD=build/release PYTHONPATH=t /usr/bin/python3 -B t/bench/inspector_bench.py
"""

import statistics
import sys

from support.inspector import Inspector, bomb_message, message

CLIENTS, ROUNDS, BOMBS = 20, 15, 60


def wait_times(inspector, plain):
    """Milliseconds of each verdict; every client asks in turn."""
    times = []
    for _ in range(ROUNDS):
        for number in range(CLIENTS):
            result, = inspector.ask(plain, arguments=["--client", f"198.51.100.{number}"])
            if result.virus != "clean":
                sys.exit(f"not served: {result}")
            times.append(result.milliseconds)
    return sorted(times)


def tell(name, times):
    print(f"{name:20} median {statistics.median(times):6.0f} ms   p99 {times[len(times) * 99 // 100]:6} ms   "
          f"worst {times[-1]:6} ms", flush=True)


def main():
    with Inspector(workers=1) as inspector:
        inspector.start()
        plain = inspector.save(message(), "plain.eml")
        tell("quiet", wait_times(inspector, plain))
        bomb = inspector.save(bomb_message(), "bomb.eml")
        flood = inspector.ask_later(bomb, arguments=["--content-only", "--client", "203.0.113.66", "--repeat",
                                                     BOMBS * 100, "--parallel", BOMBS])
        inspector.wait_for_busy_worker()
        tell("beside bombs", wait_times(inspector, plain))
        print(f"the bombs {'go on' if flood.poll() is None else 'are over'}", flush=True)
        flood.kill()
        flood.communicate()


if __name__ == "__main__":
    main()
