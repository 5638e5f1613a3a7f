"""The engine's own messages, generated from proto/fenliu/engine/v1 (`make proto`)."""
