"""Takes each control of `docs/controls.md` out of the code, one at a time, and sees its named tests fail.

`python -m tests.controls` does it for all of them, in a copy of the working tree (`--rows 7 21` for some).
"""
