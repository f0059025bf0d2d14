"""A soak: the real daemon as a process, loopback HTTPS to an exchange process, and a proxy between them that spoils.

`python -m tests.soak --minutes 30 --seed 7` from the root of a checkout. The daemon is killed with SIGKILL and stopped
with SIGSTOP at random and at chosen points, started again, and made to rotate without end, while the proxy delays,
loses, tears and disfigures what passes. At the end the faults stop, one last life settles, and journal and exchange are
compared order by order, fill by fill and to the last digit of every balance. Exit code 0 when they agree, 1 when not.

`--keep DIR` keeps journal, logs and the exchange's dump. The same seed draws the same faults, kills and rotations; the
instants at which they meet the daemon are those of the machine.

- `clock`: one clock for all processes, in shared memory; runs fast and can be moved on
- `exchange`: the exchange process
- `proxy`, `spoiling`: the chaos proxy
- `daemon`: the daemon process, the real one but for the address of its exchange
- `lives`: what the driver does to one life of the daemon, drawn from the seed
- `intrusions`: a second bot, restores and a full disk (`--with second_bot restore full_disk`)
- `books`: the comparison
- `driver`: puts them together
"""
