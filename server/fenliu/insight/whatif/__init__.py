"""What if: a recorded window of a shop, played again by the engine in a changed world.

`recording` reads it from the log, `script` writes it down for the engine with what is changed, `playing`
plays it. Whoever asks a what-if question works with these; the live engine is never touched.
"""
