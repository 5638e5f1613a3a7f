"""The engine: the whole state of each shop and every rule of dispatch, as a pure state machine."""
