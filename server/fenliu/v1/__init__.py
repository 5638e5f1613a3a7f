"""The public API, generated from proto/fenliu/v1 (`make proto`)."""
