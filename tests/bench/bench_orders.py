"""Orders through the whole path (gate's approval to settled, journal on disk, throttle) against bare ccxt at the same
exchange in the same run, and against the exchange's own limits.

python tests/bench/bench_orders.py [ROUNDS] [PERPS]

`perps` ends when the last order is answered, `perps_executions_read` when fees and trade numbers are in the journal as
well, which bare ccxt does not ask for. `..._floor` is bare ccxt between the durable writes that an order needs, and
nothing else. With one round there are no spot orders but the single ones: they would wait for the exchange's windows of
10 seconds.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.bench import rig

SPOT_LIMIT_SECONDS = 10.0  # 100 orders in 10 seconds: the 101st waits for the next window


def main() -> None:
    rounds = sys.argv[1] if len(sys.argv) > 1 else "5"
    count = sys.argv[2] if len(sys.argv) > 2 else "40"
    with rig.exchange_of(2 * int(count), cash=50_000) as (world, refused):
        found = rig.measured("orders", str(world), rounds, count)
        limited, failed = refused()
    if not found["spot_100"]:
        del found["spot_100"], found["spot_100_bare"]
    median = {name: statistics.median(value) if isinstance(value, list) else value for name, value in found.items()}
    print(f"perps: {count} at once")
    for name, baseline in (
        ("perps", "perps_bare"),
        ("perps_executions_read", "perps_bare"),
        ("perps_floor", "perps_bare"),
        ("spot_100", "spot_100_bare"),
        ("after_idle", "after_idle_bare"),
        ("after_idle_floor", "after_idle_bare"),
        ("perps_default_limiter", "perps_bare"),
        ("after_idle_default_limiter", "after_idle_bare"),
    ):
        if name not in found:
            continue
        values = found[name] if isinstance(found[name], list) else [found[name]]
        print(
            f"{name:28} {rig.spread(values)} s, {median[name] / median[baseline]:.2f} × {baseline} "
            f"({median[baseline]:.3f} s)"
        )
    for name, placed in (("perps", int(count)), ("perps_bare", int(count)), ("spot_100", 100), ("spot_100_bare", 100)):
        if name in median:
            print(f"{name:28} {placed / median[name]:.0f} orders a second")
    if "spot_150" in found:
        ratio = found["spot_150"] / SPOT_LIMIT_SECONDS
        print(f"150 spot orders, limit of 100 in 10 s: {found['spot_150']:.2f} s, {ratio:.2f} × the limit")
    writes = sorted(found["journal_write"])
    print(f"durable journal write: p50 {writes[100] * 1000:.2f} ms, p99 {writes[197] * 1000:.2f} ms")
    print(f"requests the exchange refused for its limits: {limited}, for another reason: {failed}")


if __name__ == "__main__":
    main()
