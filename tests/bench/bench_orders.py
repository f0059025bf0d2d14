"""Orders through the whole path (gate's approval to settled, journal on disk, throttle) against bare ccxt at the same
exchange in the same run, and against the exchange's own limits.

python tests/bench/bench_orders.py
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.bench import rig

SPOT_LIMIT_SECONDS = 10.0  # 100 orders in 10 seconds: the 101st waits for the next window


def main() -> None:
    with rig.exchange_of(80, cash=50_000) as (world, refused):
        found = rig.measured("orders", str(world))
        overruns = refused()
    median = {name: statistics.median(value) if isinstance(value, list) else value for name, value in found.items()}
    for name, baseline in (
        ("perp_40", "perp_40_bare"),
        ("spot_100", "spot_100_bare"),
        ("after_idle", "after_idle_bare"),
        ("perp_40_default_limiter", "perp_40_bare"),
        ("after_idle_default_limiter", "after_idle_bare"),
    ):
        values = found[name] if isinstance(found[name], list) else [found[name]]
        print(
            f"{name:28} {rig.spread(values)} s, {median[name] / median[baseline]:.2f} × {baseline} "
            f"({median[baseline]:.3f} s)"
        )
    print(
        f"orders per second, whole path: perp {40 / median['perp_40']:.0f}, spot {100 / median['spot_100']:.0f}; "
        f"bare ccxt: perp {40 / median['perp_40_bare']:.0f}, spot {100 / median['spot_100_bare']:.0f}"
    )
    ratio = found["spot_150"] / SPOT_LIMIT_SECONDS
    print(f"150 spot orders, limit of 100 in 10 s: {found['spot_150']:.2f} s, {ratio:.2f} × the limit")
    writes = sorted(found["journal_write"])
    print(f"durable journal write: p50 {writes[100] * 1000:.2f} ms, p99 {writes[197] * 1000:.2f} ms")
    print(f"requests the exchange refused for its limits: {overruns}")


if __name__ == "__main__":
    main()
