"""`sectorbot` and `python -m bot`. Kill signals are taken before anything else is imported; the health check comes
next, because a supervisor asks for it every few seconds."""

import io
import sys


def main() -> int:
    """Run one command and return its exit code."""
    _print_anywhere()
    if "run" in sys.argv[1:]:
        from bot.runtime.kill.early_signals import listen

        listen()
    if sys.argv[1:2] == ["healthcheck"] and "--help" not in sys.argv:
        from bot.runtime.health.healthcheck import main as check

        return check(sys.argv[2:])
    from bot.runtime.health.collector import begin_start

    begin_start()
    from bot.cli.main import run

    return run()


def _print_anywhere() -> None:
    """Characters that a terminal's encoding lacks are printed as `?`, in every locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
